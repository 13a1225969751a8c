// The shipped engines, transfers and write policies, and engines of a third party.
#include "transfer/transfer_conformance.hpp"

#include <kvstrata/transfer/engines/batched_copy.hpp>
#include <kvstrata/transfer/engines/kernel_copy.hpp>
#include <kvstrata/transfer/engines/staged_copy.hpp>
#include <kvstrata/transfer/engines/window_copy.hpp>
#include <kvstrata/transfer/immediate_transfer.hpp>
#include <kvstrata/transfer/layerwise_transfer.hpp>

namespace {

using namespace kvstrata;
using namespace kvstrata_test;

/// A third party's engine with two streams: odd pages go the other way, and meet the rest in front of the event.
struct two_lane_copy
{
  using option_kind = copy_engine_option;

  template <device Device>
  class on
  {
   public:
    on(Device& d, copy_direction direction)
        : device_(&d), direction_(direction), lanes_{d.create_stream("lane 0"), d.create_stream("lane 1")}
    {
    }
    copied copy(const copy_list& list, layer_index layer, const fence& after)
    {
      if (list.empty()) return {};
      for (const stream_id lane : lanes_) wait_for(*device_, lane, after);
      copied out;
      each_piece(list, layer, false, [&](const copy_piece& p) {
        device_->copy(lanes_[out.calls++ % 2], direction_, p.dst, p.src, p.bytes);
      });
      device_->wait(lanes_[0], device_->record(lanes_[1]));
      out.pieces = out.calls;
      out.done = device_->record(lanes_[0]);
      return out;
    }
    void drain_sync() noexcept
    {
      for (const stream_id lane : lanes_) drain_stream_sync(*device_, lane);
    }

   private:
    Device* device_;
    copy_direction direction_;
    stream_id lanes_[2];
  };
};

// Rings and batches so small that the rig's lists go round and over them.
using tiny_staged_copy = staged_copy<2048, 2>;
using one_page_staged_copy = staged_copy<512, 1>;
using tiny_batched_copy = batched_copy<3>;

}  // namespace

TEST_CASE("per-page copy: conformance") { copy_engine_conformance<per_page_copy>(); }
TEST_CASE("coalesced copy: conformance") { copy_engine_conformance<coalesced_copy>(); }
TEST_CASE("batched copy: conformance") { copy_engine_conformance<batched_copy<>>(); }
TEST_CASE("batched copy in small batches: conformance") { copy_engine_conformance<tiny_batched_copy>(); }
TEST_CASE("staged copy: conformance") { copy_engine_conformance<staged_copy<>>(); }
TEST_CASE("staged copy through a small ring: conformance") { copy_engine_conformance<tiny_staged_copy>(); }
TEST_CASE("staged copy through one slot of one page: conformance") { copy_engine_conformance<one_page_staged_copy>(); }
TEST_CASE("kernel copy: conformance") { copy_engine_conformance<kernel_copy<>>(); }
TEST_CASE("kernel copy without a budget: conformance") { copy_engine_conformance<kernel_copy<0>>(); }
TEST_CASE("window copy: conformance") { copy_engine_conformance<window_copy<>>(); }
TEST_CASE("window copy by staging: conformance") { copy_engine_conformance<window_copy<tiny_staged_copy>>(); }
TEST_CASE("a third party's engine: conformance") { copy_engine_conformance<two_lane_copy>(); }

TEMPLATE_TEST_CASE("transfers: conformance", "[transfer]", (layerwise_transfer<>), (layerwise_transfer<per_page_copy>),
                   (layerwise_transfer<tiny_batched_copy>), (layerwise_transfer<tiny_staged_copy>),
                   (layerwise_transfer<kernel_copy<>>), (layerwise_transfer<window_copy<>>),
                   (layerwise_transfer<window_copy<tiny_staged_copy>>), (layerwise_transfer<two_lane_copy>),
                   (layerwise_transfer<onload_by<tiny_staged_copy>, offload_by<kernel_copy<>>>), (immediate_transfer<>),
                   (immediate_transfer<per_page_copy>), (immediate_transfer<batched_copy<>>),
                   (immediate_transfer<staged_copy<>>), (immediate_transfer<kernel_copy<>>),
                   (immediate_transfer<window_copy<>>), (immediate_transfer<two_lane_copy>))
{
  transfer_conformance<TestType>();
}

TEMPLATE_TEST_CASE("write policies: conformance", "[transfer]", page_write_through, token_write_through,
                   chunk_write_through, write_back, (selective_write<>), (selective_write<4, chunk_write_through>))
{
  write_policy_conformance<TestType>();
}
