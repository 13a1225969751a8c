// A thread of control with a stack of its own that runs until it hands over to another, all on one thread of the
// machine. Handing over costs some ten nanoseconds: a fiber is begun by setcontext, then left and entered by setjmp and
// longjmp, which make no system calls. AddressSanitizer is told of every change of stacks.
#pragma once

#include <ucontext.h>
#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <memory>

#if defined(__SANITIZE_ADDRESS__)
#define HSTU_TELLS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HSTU_TELLS_SANITIZER 1
#endif
#endif
#ifdef HSTU_TELLS_SANITIZER
#include <sanitizer/common_interface_defs.h>
#endif

namespace hstu::gpu {

/// A default-constructed fiber stands for the thread that runs already; begin() gives one a stack and a function.
/// Neither copied nor moved. A fiber that nobody enters any more is simply dropped: nothing on its stack is destroyed.
class fiber
{
 public:
  fiber() = default;
  fiber(const fiber&) = delete;
  fiber& operator=(const fiber&) = delete;

  /// `function(argument)` runs at the first enter() and must never return.
  void begin(void (*function)(void*), void* argument, std::size_t stack_bytes)
  {
    stack_ = std::make_unique_for_overwrite<std::byte[]>(stack_bytes);
    bottom_ = stack_.get();
    bytes_ = stack_bytes;
    function_ = function;
    argument_ = argument;
    entered_ = false;
    getcontext(&start_);
    start_.uc_stack.ss_sp = stack_.get();
    start_.uc_stack.ss_size = stack_bytes;
    start_.uc_link = nullptr;
    const auto self = reinterpret_cast<std::uintptr_t>(this);
    makecontext(&start_, reinterpret_cast<void (*)()>(&fiber::main), 2, static_cast<unsigned>(self >> 32),
                static_cast<unsigned>(self & 0xffffffffu));
  }

  /// Leaves `from`, which runs now, for `to`. Returns when somebody enters `from` again; nobody may when `for_good`.
  static void enter(fiber& from, fiber& to, bool for_good = false)
  {
    to.before_ = &from;
    leave_for(from, to, for_good);
#if defined(_FORTIFY_SOURCE) && _FORTIFY_SOURCE > 0
    // Its longjmp refuses to change stacks.
    to.entered_ = true;
    swapcontext(&from.start_, &to.start_);
#else
    if (_setjmp(from.left_) == 0) {
      if (to.entered_) _longjmp(to.left_, 1);
      to.entered_ = true;
      setcontext(&to.start_);
    }
#endif
    arrived_in(from);
  }

 private:
  static void main(unsigned high, unsigned low)
  {
    auto* self = reinterpret_cast<fiber*>(static_cast<std::uintptr_t>(high) << 32 | low);
    arrived_in(*self);
    self->function_(self->argument_);
  }

  static void leave_for([[maybe_unused]] fiber& from, [[maybe_unused]] fiber& to, [[maybe_unused]] bool for_good)
  {
#ifdef HSTU_TELLS_SANITIZER
    __sanitizer_start_switch_fiber(for_good ? nullptr : &from.fake_, to.bottom_, to.bytes_);
#endif
  }

  // The fiber left last learns its own bounds: for the thread itself nobody else knows them.
  static void arrived_in([[maybe_unused]] fiber& self)
  {
#ifdef HSTU_TELLS_SANITIZER
    __sanitizer_finish_switch_fiber(self.fake_, &self.before_->bottom_, &self.before_->bytes_);
    self.fake_ = nullptr;
#endif
  }

  std::unique_ptr<std::byte[]> stack_;
  const void* bottom_ = nullptr;
  std::size_t bytes_ = 0;
  void (*function_)(void*) = nullptr;
  void* argument_ = nullptr;
  fiber* before_ = nullptr;
  [[maybe_unused]] void* fake_ = nullptr;  // of AddressSanitizer
  bool entered_ = true;
  ucontext_t start_{};
  std::jmp_buf left_{};
};

}  // namespace hstu::gpu

#undef HSTU_TELLS_SANITIZER
