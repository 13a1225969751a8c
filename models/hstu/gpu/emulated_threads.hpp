// The threads of an emulated block, as fibers, and where they meet. A thread runs until it comes to a collective
// operation; then the next thread of its warp runs, and the last to arrive does the operation for all. Warps take turns
// at barriers of the block. So a block always runs in the same order, and threads that do not do the same thing are
// found where they part.
#pragma once

#include "hstu/gpu/emulated_shared.hpp"
#include "hstu/gpu/emulated_warp.hpp"
#include "hstu/gpu/fiber.hpp"

#include <cstddef>
#include <cstdint>
#include <exception>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace hstu::gpu {

enum class meeting : std::uint8_t {
  sync,
  sync_warp,
  shuffle_xor,
  load_matrices,
  load_matrices_transposed,
  multiply_add,
  end
};

[[nodiscard]] inline const char* to_string(meeting m)
{
  static constexpr const char* names[] = {
      "sync()",         "sync_warp()",          "shuffle_xor()", "load_matrices()", "load_matrices_transposed()",
      "multiply_add()", "the end of the kernel"};
  return names[static_cast<std::size_t>(m)];
}

/// What a thread brings to a meeting. Pointers are into its own stack, which lasts while it waits.
struct emulated_operands
{
  const std::byte* row = nullptr;
  std::uint32_t* loaded = nullptr;
  float* d = nullptr;
  const std::uint32_t* a = nullptr;
  const std::uint32_t* b = nullptr;
  std::uint32_t value = 0, mask = 0;
};

/// What a run did.
struct emulated_report
{
  std::uint64_t matrix_loads = 0;    ///< of 8 x 8
  std::uint64_t bank_conflicts = 0;  ///< of them, whose rows do not lie in all 32 banks
};

class emulated_threads
{
 public:
  static constexpr std::size_t stack_bytes = 128 << 10;  ///< pages of it that are not used cost nothing

  /// run(context, thread) is called by every thread once a block.
  emulated_threads(std::string name, std::uint32_t threads, std::size_t shared_bytes, void (*run)(void*, std::uint32_t),
                   void* context)
      : name_(std::move(name)),
        run_(run),
        context_(context),
        threads_(threads),
        warps_(threads / warp_lanes),
        shared_(shared_bytes)
  {
    for (std::uint32_t t = 0; t < threads; ++t) {
      threads_[t].machine = this;
      threads_[t].number = t;
      threads_[t].stack.begin(&emulated_threads::live, &threads_[t], stack_bytes);
    }
    for (std::uint32_t w = 0; w < warps_.size(); ++w) warps_[w].next = w * warp_lanes;
  }

  /// Runs one block. Throws std::logic_error when its threads part or misuse shared memory, and what the kernel throws;
  /// run no other block then.
  void run_block(std::uint32_t index, bool is_last)
  {
    index_ = index;
    is_last_ = is_last;
    shared_.clear();
    fiber::enter(main_, threads_[warps_[0].next].stack);
    if (thrown_) std::rethrow_exception(thrown_);
  }

  [[nodiscard]] const emulated_report& report() const noexcept { return report_; }
  [[nodiscard]] std::uint32_t index() const noexcept { return index_; }
  [[nodiscard]] std::byte* shared() const noexcept { return shared_.data(); }

  /// Called by a thread: returns when all threads of its warp (of the block, for sync) are here and the operation is
  /// done.
  void meet(std::uint32_t thread, meeting what, int line, const emulated_operands& operands = {})
  {
    thread_state& me = threads_[thread];
    me.at = what;
    me.line = line;
    me.operands = operands;
    warp_state& warp = warps_[thread / warp_lanes];
    if (++warp.arrived < warp_lanes) {
      const std::uint32_t first = thread / warp_lanes * warp_lanes;
      pass_to(me, first + (thread + 1) % warp_lanes);
      return;
    }
    warp.arrived = 0;
    warp.next = thread;
    check_warp(thread);
    if (what == meeting::sync || what == meeting::end) meet_block(me);
    else operate(thread, what);
  }

  void copy(std::uint32_t thread, std::byte* to, const std::byte* from, bool whole)
  {
    if (const char* wrong = shared_.begin_copy(to, thread, now(thread))) fail(thread, wrong);
    if (reinterpret_cast<std::uintptr_t>(from) % 16 != 0 && whole) {
      fail(thread, "copies from 16 bytes that are not aligned to 16");
    }
    threads_[thread].copies.push_back({to, from, whole, threads_[thread].groups});
  }

  void commit_copies(std::uint32_t thread) { ++threads_[thread].groups; }

  void wait_copies(std::uint32_t thread, std::uint32_t most_left)
  {
    thread_state& me = threads_[thread];
    std::size_t done = 0;
    for (; done < me.copies.size() && me.copies[done].group + most_left < me.groups; ++done) {
      const queued_copy& c = me.copies[done];
      shared_.end_copy(c.to, c.from, c.whole, thread, now(thread));
    }
    me.copies.erase(me.copies.begin(), me.copies.begin() + static_cast<std::ptrdiff_t>(done));
  }

 private:
  struct queued_copy
  {
    std::byte* to;
    const std::byte* from;
    bool whole;
    std::uint64_t group;
  };

  struct thread_state
  {
    emulated_threads* machine = nullptr;
    std::uint32_t number = 0;
    meeting at = meeting::end;
    int line = 0;
    emulated_operands operands;
    std::vector<queued_copy> copies;  // in the order they were queued
    std::uint64_t groups = 0;         // committed
    fiber stack;
  };

  struct warp_state
  {
    std::uint32_t arrived = 0;
    std::uint32_t next = 0;  // the thread to go on with: the last that arrived
    std::uint64_t barriers = 0;
  };

  static void live(void* state)
  {
    auto& me = *static_cast<thread_state*>(state);
    for (;;) {
      try {
        me.machine->run_(me.machine->context_, me.number);
        if (!me.copies.empty()) me.machine->fail(me.number, "leaves the kernel with copies on their way");
        me.machine->meet(me.number, meeting::end, 0);
      } catch (...) {
        me.machine->thrown_ = std::current_exception();
      }
      if (me.machine->thrown_) me.machine->pass_to_main(me);
    }
  }

  [[nodiscard]] emulated_time now(std::uint32_t thread) const
  {
    return {barriers_, warps_[thread / warp_lanes].barriers};
  }

  void pass_to(thread_state& me, std::uint32_t next)
  {
    fiber::enter(me.stack, threads_[next].stack, is_last_ && me.at == meeting::end);
  }

  void pass_to_main(thread_state& me) { fiber::enter(me.stack, main_, is_last_ || thrown_); }

  // Thrown on the thread's own stack; live() brings it to run_block().
  [[noreturn]] void fail(std::uint32_t thread, const std::string& what) const
  {
    throw std::logic_error(name_ + ", block " + std::to_string(index_) + ": thread " + std::to_string(thread) + " " +
                           what);
  }

  static std::string where(const thread_state& t)
  {
    std::string text = std::string("at ") + to_string(t.at);
    if (t.line != 0) text += " of line " + std::to_string(t.line);
    return text;
  }

  void check_warp(std::uint32_t thread)
  {
    const thread_state& one = threads_[thread / warp_lanes * warp_lanes];
    for (std::uint32_t lane = 1; lane < warp_lanes; ++lane) {
      const thread_state& other = threads_[one.number + lane];
      if (other.at == one.at && other.line == one.line) continue;
      fail(one.number, "is " + where(one) + ", and thread " + std::to_string(other.number) + " of the same warp " +
                           where(other) + "; they must do the same");
    }
  }

  void meet_block(thread_state& me)
  {
    const std::uint32_t warp = me.number / warp_lanes;
    if (++waiting_ < warps_.size()) {
      pass_to(me, warps_[(warp + 1) % warps_.size()].next);
      return;
    }
    waiting_ = 0;
    for (std::uint32_t w = 0; w < warps_.size(); ++w) {
      const thread_state& other = threads_[w * warp_lanes];
      if (other.at == me.at) continue;
      fail(me.number, "is " + where(me) + ", and thread " + std::to_string(other.number) + " " + where(other) +
                          "; all threads of the block must meet");
    }
    ++barriers_;
    if (me.at == meeting::end) pass_to_main(me);
  }

  void operate(std::uint32_t thread, meeting what)
  {
    const std::uint32_t first = thread / warp_lanes * warp_lanes;
    thread_state* lanes = &threads_[first];
    switch (what) {
      case meeting::sync_warp: ++warps_[first / warp_lanes].barriers; break;
      case meeting::shuffle_xor: {
        std::uint32_t given[warp_lanes];
        for (std::uint32_t i = 0; i < warp_lanes; ++i) given[i] = lanes[i].operands.value;
        for (std::uint32_t i = 0; i < warp_lanes; ++i) {
          lanes[i].operands.value = given[(i ^ lanes[i].operands.mask) % warp_lanes];
        }
        break;
      }
      case meeting::multiply_add: {
        float* d[warp_lanes];
        const std::uint32_t* a[warp_lanes];
        const std::uint32_t* b[warp_lanes];
        for (std::uint32_t i = 0; i < warp_lanes; ++i) {
          d[i] = lanes[i].operands.d;
          a[i] = lanes[i].operands.a;
          b[i] = lanes[i].operands.b;
        }
        gpu::multiply_add(d, a, b);
        break;
      }
      default: load(lanes, what == meeting::load_matrices_transposed); break;
    }
  }

  void load(thread_state* lanes, bool transposed)
  {
    const std::byte* rows[warp_lanes];
    for (std::uint32_t i = 0; i < warp_lanes; ++i) {
      rows[i] = lanes[i].operands.row;
      if (const char* wrong = shared_.read(rows[i], lanes[i].number, now(lanes[i].number)))
        fail(lanes[i].number, wrong);
    }
    for (std::uint32_t m = 0; m < 4; ++m) {
      std::uint32_t banks = 0;  // a bit for every four of them
      for (std::uint32_t i = 8 * m; i < 8 * m + 8; ++i) {
        banks |= 1u << static_cast<std::uint32_t>((rows[i] - shared_.data()) / 16 % 8);
      }
      ++report_.matrix_loads;
      if (banks != 0xffu) ++report_.bank_conflicts;
    }
    std::uint32_t loaded[warp_lanes][4];
    gpu::load_matrices(loaded, rows, transposed);
    for (std::uint32_t i = 0; i < warp_lanes; ++i) {
      for (std::uint32_t m = 0; m < 4; ++m) lanes[i].operands.loaded[m] = loaded[i][m];
    }
  }

 public:
  /// What shuffle_xor brought a thread.
  [[nodiscard]] std::uint32_t shuffled(std::uint32_t thread) const { return threads_[thread].operands.value; }

 private:
  std::string name_;
  void (*run_)(void*, std::uint32_t);
  void* context_;
  std::vector<thread_state> threads_;
  std::vector<warp_state> warps_;
  emulated_shared shared_;
  fiber main_;
  std::exception_ptr thrown_;
  emulated_report report_;
  std::uint32_t index_ = 0;
  std::uint32_t waiting_ = 0;  // warps that all their threads brought to a barrier of the block
  std::uint64_t barriers_ = 0;
  bool is_last_ = false;
};

}  // namespace hstu::gpu
