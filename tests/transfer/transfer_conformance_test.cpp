// The shipped engines, transfers and write policies, and engines of a third party.
#include "transfer/transfer_conformance.hpp"

#include <kvstrata/transfer/immediate_transfer.hpp>
#include <kvstrata/transfer/layerwise_transfer.hpp>

#include <optional>

namespace {

using namespace kvstrata;
using namespace kvstrata_test;

/// A third party's engine, with a stream of its own: odd pages go there, and it comes back to the caller's stream.
struct two_lane_copy
{
  template <device Device>
  class on
  {
   public:
    explicit on(Device& d) : device_(&d), own_(d.create_stream("lane")) {}
    std::uint64_t copy(stream_id stream, copy_direction direction, const copy_list& list, layer_index layer)
    {
      if (list.empty()) return 0;
      device_->wait(own_, device_->record(stream));
      std::uint64_t copies = 0;
      for (const copy_run& run : list.runs) {
        for (page_count page = 0; page < run.pages; ++page, ++copies) {
          std::byte* const above = list.device_base + run.device_offset + run.device_place.offset(layer, page);
          std::byte* const below = list.lower_base + run.lower_offset + run.lower_place.offset(layer, page);
          const bool inwards = direction == copy_direction::to_device;
          device_->copy(copies % 2 == 0 ? stream : own_, direction, inwards ? above : below, inwards ? below : above,
                        list.piece_bytes);
        }
      }
      device_->wait(stream, device_->record(own_));
      return copies;
    }

   private:
    Device* device_;
    stream_id own_;
  };
};

template <class Engine>
std::uint64_t copies_of(transfer_rig& r)
{
  typename Engine::template on<emulated_device> engine(r.d);
  return engine.copy(r.compute, copy_direction::to_device, r.list, 0);
}

}  // namespace

TEST_CASE("per-page copy: conformance") { copy_engine_conformance<per_page_copy>(); }
TEST_CASE("coalesced copy: conformance") { copy_engine_conformance<coalesced_copy>(); }
TEST_CASE("a third party's engine: conformance") { copy_engine_conformance<two_lane_copy>(); }

TEST_CASE("layerwise transfer: conformance") { transfer_conformance<layerwise_transfer<>>(); }
TEST_CASE("layerwise transfer page by page: conformance") { transfer_conformance<layerwise_transfer<per_page_copy>>(); }
TEST_CASE("layerwise transfer with a third party's engine: conformance")
{
  transfer_conformance<layerwise_transfer<two_lane_copy>>();
}
TEST_CASE("immediate transfer: conformance") { transfer_conformance<immediate_transfer<>>(); }
TEST_CASE("immediate transfer page by page: conformance") { transfer_conformance<immediate_transfer<per_page_copy>>(); }

TEST_CASE("page write-through: conformance") { write_policy_conformance<page_write_through>(); }
TEST_CASE("chunk write-through: conformance") { write_policy_conformance<chunk_write_through>(); }

TEST_CASE("write policies ask for whole pages or whole chunks")
{
  REQUIRE(page_write_through::flushed_end(1000, 32, 1024) == 992);
  REQUIRE(chunk_write_through::flushed_end(1000, 32, 1024) == 0);
  REQUIRE(chunk_write_through::flushed_end(2048, 32, 1024) == 2048);
}

TEST_CASE("per-page copy makes a call a page, coalesced copy one a run that is dense on both sides")
{
  for (std::uint32_t seed = 0; seed < 12; ++seed) {
    transfer_rig r(seed);
    REQUIRE(copies_of<per_page_copy>(r) == r.pages());
    const bool dense = seed % 3 != 2;  // the third layout keeps a page's layers together
    REQUIRE(copies_of<coalesced_copy>(r) == (dense ? r.list.runs.size() : r.pages()));
  }
}

TEST_CASE("copies a ticket counts are the copies the device was asked for")
{
  transfer_rig r(1);
  layerwise_transfer<>::on<emulated_device> channel(r.d);
  const ticket came = channel.onload(r.list, {});
  const ticket went = channel.offload(r.list, {}, {});
  const device_counters all = r.d.stats();
  REQUIRE(all.to_device == device_counters::traffic{came.copies, came.bytes});
  REQUIRE(all.from_device == device_counters::traffic{went.copies, went.bytes});
  r.d.wait_sync(went.last());
}
