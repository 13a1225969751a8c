// Work that is not over before the test says so: what a device in real time has under way for certain.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <thread>
#include <utility>

namespace kvstrata_test {

/// Two words that the device's work and the test both reach.
struct gate_words
{
  std::uint32_t entered = 0;  ///< the work sets it when it runs
  std::uint32_t open = 0;     ///< the test sets it, and the work is over
};

/// What the work does where a host function stands for it.
inline void pass_gate(gate_words& words)
{
  std::atomic_ref(words.entered).store(1);
  while (std::atomic_ref(words.open).load() == 0) std::this_thread::sleep_for(std::chrono::microseconds(20));
}

/// Opens a gate, at the latest when it goes. While one is shut, nothing may be freed: a device may wait for all its work
/// before it frees.
class gate_keeper
{
 public:
  gate_keeper() = default;  ///< of no gate
  /// `owner` keeps the words while the keeper lives; whoever queued the work keeps them until it is over.
  gate_keeper(gate_words* words, std::shared_ptr<void> owner) : words_(words), owner_(std::move(owner)) {}
  gate_keeper(gate_keeper&& other) noexcept
      : words_(std::exchange(other.words_, nullptr)), owner_(std::move(other.owner_))
  {
  }
  gate_keeper& operator=(gate_keeper&& other) noexcept
  {
    std::swap(words_, other.words_);
    std::swap(owner_, other.owner_);
    return *this;
  }
  ~gate_keeper() { open(); }

  void open()
  {
    if (words_ != nullptr) std::atomic_ref(words_->open).store(1);
  }
  /// Does the work run, or has it run?
  [[nodiscard]] bool entered() const { return words_ != nullptr && std::atomic_ref(words_->entered).load() != 0; }

 private:
  gate_words* words_ = nullptr;
  std::shared_ptr<void> owner_;
};

/// Waits until `what()` holds; false when it does not for half a minute.
template <class What>
[[nodiscard]] bool comes_true(What&& what)
{
  for (int i = 0; i < 300'000; ++i) {
    if (what()) return true;
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
  return false;
}

}  // namespace kvstrata_test
