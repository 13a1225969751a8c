// What docs/guide/threads_and_streams.md says that a user must do and may not do: each point in one story.
#include "cache/streams_bed.hpp"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <utility>
#include <vector>

using namespace kvstrata;
using namespace kvstrata_test;

namespace {

using range = emulated_device::memory_range;

struct rules : server<straight>
{
  explicit rules(std::size_t count = 1, page_count slab = 100) : server<straight>(of_pages(slab), count)
  {
    way_now = way::batched;
    policy_now = policy::token;
  }
  static straight::config of_pages(page_count slab)
  {
    way_now = way::batched;
    auto c = tiny_config<straight>(slab, 4 * slab);
    c.layout.chunk = tiny_chunk;
    return c;
  }

  [[nodiscard]] straight::lease hold(std::uint64_t user, token_count history, std::size_t stream = 0)
  {
    const request one{.user = user_id{user}, .history_tokens = history};
    return cache.prepare({&one, 1}, streams[stream]).value();
  }
  /// A kernel that writes all pages of a lease's request in a layer.
  void write(const straight::lease& l, layer_index layer, stream_id on, double seconds = 1)
  {
    const page_table_view v = l.view();
    std::vector<range> all;
    for (const page_id page : v.pages(0)) all.push_back({v.page(layer, page), tiny_piece});
    device.launch(on, {.label = "layer", .seconds = seconds, .writes = all}, [] {});
  }
  void run(straight::lease& l, double seconds = 1)
  {
    for (layer_index layer = 0; layer < tiny.layers; ++layer) {
      l.wait(layer);
      write(l, layer, streams[0], seconds);
      l.layer_done(layer);
    }
  }
};

}  // namespace

TEST_CASE("leases that share a stream: what one computes is there for the other, and nobody waits on the host",
          "[cache][streams]")
{
  rules s;
  auto first = s.hold(1, 20);
  auto second = s.hold(2, 20);
  for (layer_index layer = 0; layer < tiny.layers; ++layer) {  // turn by turn
    for (auto* l : {&first, &second}) {
      l->wait(layer);
      s.write(*l, layer, s.streams[0]);
      l->layer_done(layer);
    }
  }
  second.finish();  // in any order
  first.finish();
  auto again = s.hold(1, 24);
  s.run(again);
  again.finish();
  CHECK(s.device.now() == 0);
  s.cache.drain_sync();
  CHECK(s.device.now() >= 3 * tiny.layers);
}

TEST_CASE("a release waits for all that is queued on its stream by then, another lease's work included",
          "[cache][streams]")
{
  rules s(2, 20);
  auto first = s.hold(1, 64);
  s.run(first, 0);
  first.commit();
  s.device.launch(s.streams[0], {.label = "somebody else's", .seconds = 50}, [] {});
  first.release();
  CHECK(s.serve(1, 2, 60, 0) >= 50);  // the pages change hands after that
}

TEST_CASE("a lease over several streams: they begin after wait, and are joined before layer_done", "[cache][streams]")
{
  rules s(3, 20);
  const stream_id compute = s.streams[0], beside = s.streams[2];
  auto l = s.hold(1, 60);
  for (layer_index layer = 0; layer < tiny.layers; ++layer) {
    l.wait(layer);
    s.device.wait(beside, s.device.record(compute));  // fork
    s.write(l, layer, beside);
    s.device.wait(compute, s.device.record(beside));  // join
    l.layer_done(layer);
  }
  l.finish();
  CHECK(s.serve(1, 2, 60, 0) >= tiny.layers);
  s.cache.drain_sync();
}

TEST_CASE("a stream that is not joined before layer_done is found by the ordering checker", "[cache][streams]")
{
  rules s(2);
  s.forgets = true;
  auto l = s.hold(1, 60);
  for (layer_index layer = 0; layer < tiny.layers; ++layer) {
    l.wait(layer);
    s.device.wait(s.streams[1], s.device.record(s.streams[0]));
    s.write(l, layer, s.streams[1]);
    l.layer_done(layer);  // of a stream that has done nothing
  }
  l.finish();
  s.cache.drain_sync();
}

TEST_CASE("a graph: all layers are waited for before it, and done behind it", "[cache][streams]")
{
  rules s(1, 40);
  auto l = s.hold(1, 60);
  for (layer_index layer = 0; layer < tiny.layers; ++layer) l.wait(layer);
  for (layer_index layer = 0; layer < tiny.layers; ++layer) s.write(l, layer, s.streams[0]);  // as one launch
  for (layer_index layer = 0; layer < tiny.layers; ++layer) l.layer_done(layer);
  l.finish();
  CHECK(s.hold(1, 60).sources(0).computed == 0);
  s.cache.drain_sync();
}

TEST_CASE("the host may run ahead as far as it likes: no call waits, and pages go from batch to batch",
          "[cache][streams]")
{
  rules s(1, 20);
  for (std::uint64_t user = 1; user <= 100; ++user) {
    auto l = s.hold(user, 40);  // two do not fit at once
    s.run(l);
    l.finish();
  }
  CHECK(s.device.now() == 0);
  CHECK(s.device.stats().host_waits == 0);
  s.cache.drain_sync();
  CHECK(s.device.now() >= 100.0 * tiny.layers);
}

TEST_CASE("the page table lives as long as its lease, and is another lease's afterwards", "[cache][streams]")
{
  rules s;
  auto first = s.hold(1, 40);
  const page_table_view view = first.view();
  const std::vector<page_id> pages(view.page_ids.begin(), view.page_ids.end());
  auto second = s.hold(2, 40);
  CHECK(second.view().page_ids.data() != view.page_ids.data());
  auto moved = std::move(first);
  CHECK(moved.view().page_ids.data() == view.page_ids.data());  // it goes with the lease
  CHECK(std::equal(pages.begin(), pages.end(), view.page_ids.begin()));
  moved.release();
  CHECK(s.hold(3, 40).view().page_ids.data() == view.page_ids.data());  // written over
}

TEST_CASE("what a kernel does with a lease's pages after release is nobody's to order", "[cache][streams]")
{
  rules s(2);
  s.forgets = true;
  auto l = s.hold(1, 60);
  const page_table_view v = l.view();
  const std::vector<range> pages{{v.page(0, v.pages(0)[0]), tiny_piece}};
  s.run(l, 0);
  l.release();  // nothing was committed: the pages are free
  s.device.launch(s.streams[0], {.label = "late", .seconds = 1, .writes = pages}, [] {});
  auto other = s.hold(2, 100, 1);
  for (layer_index layer = 0; layer < tiny.layers; ++layer) {
    other.wait(layer);
    s.write(other, layer, s.streams[1]);
    other.layer_done(layer);
  }
  other.finish();
  s.cache.drain_sync();
}

TEST_CASE("policies are asked under the cache's lock; a lease's own calls take none", "[cache][streams][threads]")
{
  rules s(2);
  auto mine = s.hold(1, 20), theirs = s.hold(2, 20, 1);
  s.run(mine, 0);
  std::atomic<bool> locked{false}, went_on{false}, prepared{false};
  when_asked = [&] {
    if (locked.exchange(true)) return;
    while (!went_on) std::this_thread::yield();
    for (int i = 0; i < 1000 && !prepared; ++i) std::this_thread::yield();
    CHECK_FALSE(prepared);
  };
  std::thread other([&] {
    while (!locked) std::this_thread::yield();
    for (layer_index layer = 0; layer < tiny.layers; ++layer) {
      theirs.wait(layer);
      theirs.layer_done(layer);
    }
    static_cast<void>(theirs.view());
    static_cast<void>(theirs.compute(0));
    went_on = true;
    static_cast<void>(s.hold(3, 20, 1));
    prepared = true;
  });
  mine.commit();
  other.join();
  when_asked = nullptr;
  CHECK(prepared);
  mine.release();
  theirs.finish();
  s.cache.drain_sync();
}
