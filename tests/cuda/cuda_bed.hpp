// The bed of a cuda_device: kernels take the time, and gates are kernels, too.
#pragma once

#include "cuda/spin.hpp"
#include "support/device_bed.hpp"

#include <kvstrata/device/cuda_device.hpp>

#include <cstddef>
#include <memory>
#include <new>
#include <utility>
#include <vector>

namespace kvstrata_test {

template <>
class device_bed<kvstrata::cuda_device> : public copying_bed<kvstrata::cuda_device>
{
 public:
  using copying_bed<kvstrata::cuda_device>::copying_bed;
  ~device_bed() override { finish(); }  // the gates go next

  /// A fifth of the time that is asked for: the suites speak of an emulated device, whose links are slow.
  void delay(kvstrata::stream_id stream, double seconds) override
  {
    const auto microseconds = static_cast<unsigned>((seconds < 10e-3 ? seconds : 10e-3) * 1e6 / 5);
    if (microseconds == 0) return;
    device().launch(stream, {"delay"}, [microseconds](cudaStream_t to) { spin(to, microseconds); });
    remember(stream);
  }

  [[nodiscard]] gate_keeper hold(kvstrata::stream_id stream)
  {
    if (next_gate_ % gates_a_block == 0) {  // many at once: allocating may wait for gates that are shut
      blocks_.push_back(std::make_shared<kvstrata::cuda_device::memory>(
          device().allocate_pinned(gates_a_block * gate_bytes, "gates")));
    }
    auto* const words = new (blocks_.back()->data() + next_gate_++ % gates_a_block * gate_bytes) gate_words;
    device().launch(stream, {"gate"}, [words](cudaStream_t to) { spin_until_open(to, words); });
    remember(stream);
    return {words, blocks_.back()};
  }

 private:
  static constexpr std::size_t gates_a_block = 64, gate_bytes = 64;

  std::vector<std::shared_ptr<kvstrata::cuda_device::memory>> blocks_;
  std::size_t next_gate_ = 0;
};

}  // namespace kvstrata_test
