// The attention kernel on a GPU: what it must do on the CPU, and histories too long for that.
#include "hstu_gpu/attention_cases.hpp"
#include "hstu_gpu/cuda/cuda_machine.hpp"

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <type_traits>
#include <vector>

namespace {

using namespace hstu_gpu_test;

// Runs a bed's tiles on the GPU and brings the outputs back.
class gpu_attention
{
 public:
  void operator()(attention_bed& bed)
  {
    std::list<kvstrata::cuda_device::memory> held;
    auto& d = machine_.machine().device();
    const auto place = [&](auto& vector) {
      using element = typename std::remove_reference_t<decltype(vector)>::value_type;
      const std::size_t bytes = vector.size() * sizeof(element);
      if (bytes == 0) return static_cast<element*>(nullptr);
      held.push_back(d.allocate_device(bytes, "attention test"));
      d.copy(stream_, kvstrata::copy_direction::to_device, held.back().data(),
             reinterpret_cast<const std::byte*>(vector.data()), bytes);
      return reinterpret_cast<element*>(held.back().data());
    };
    const auto a = bed.arguments(place);
    machine_.machine().attend(stream_, "attention", a, bed.head_dim());
    d.copy(stream_, kvstrata::copy_direction::from_device, reinterpret_cast<std::byte*>(bed.outputs().data()),
           reinterpret_cast<const std::byte*>(a.outputs.data), bed.outputs().size() * sizeof(bf16));
    d.wait_sync(d.record(stream_));
  }

 private:
  cuda_machine machine_;
  kvstrata::stream_id stream_ = machine_.machine().device().create_stream("compute");
};

attend_function on_gpu()
{
  return [machine = std::make_shared<gpu_attention>()](attention_bed& bed) { (*machine)(bed); };
}

}  // namespace

TEST_CASE("attention on a GPU: pages of every size, heads of every width", "[hstu]")
{
  attention_over_page_sizes(on_gpu());
}
TEST_CASE("attention on a GPU: empty histories, single tokens, edges of pages", "[hstu]")
{
  attention_of_edges(on_gpu());
}
TEST_CASE("attention on a GPU: whole tiles and parts of them", "[hstu]") { attention_of_whole_tiles(on_gpu()); }
TEST_CASE("attention on a GPU: windows that begin inside a page", "[hstu]") { attention_of_windows(on_gpu()); }
TEST_CASE("attention on a GPU: computed intervals far apart", "[hstu]") { attention_of_intervals(on_gpu()); }
TEST_CASE("attention on a GPU: long histories", "[hstu]") { attention_of_long_histories(on_gpu()); }
TEST_CASE("attention on a GPU: bias by distance and by time", "[hstu]") { attention_with_bias(on_gpu()); }
TEST_CASE("attention on a GPU: keys shared by several blocks", "[hstu]") { attention_in_parts(on_gpu()); }
TEST_CASE("attention on a GPU: any prefix and oneself", "[hstu]") { attention_of_random_masks(on_gpu()); }
TEST_CASE("attention on a GPU: two stretches of keys", "[hstu]") { attention_of_two_stretches(on_gpu()); }
TEST_CASE("attention on a GPU: batches, and tiles that are not asked for", "[hstu]") { attention_of_batches(on_gpu()); }

TEST_CASE("attention on a GPU: the longest histories, many blocks", "[hstu]")
{
  const auto attend = on_gpu();
  for (const std::uint32_t dim : {128u, 256u}) {
    for (const std::uint32_t parts : {1u, 16u}) {
      check_attention_of(
          attend,
          {.heads = 4, .head_dim = dim, .distances = 256, .times = 64, .tile_rows = 64, .parts = parts, .steps = 6},
          {{9001, positions_in(8950, 9001), 40}, {3000, {0, 77, 2999}, 100}, {20'011, {20'010}, 3}}, 900 + dim + parts);
    }
  }
}
