// Writes that wait for their turn: their order, and how much may be under way at once.
#include "books/bed.hpp"
#include "support/catch.hpp"

#include <kvstrata/move/write_queue.hpp>

#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <vector>

namespace {

using namespace kvstrata;
using namespace kvstrata_test;

using entry_type = entry_of_levels<2>::type;
using queue_type = write_queue<entry_type>;
using verdict = queue_type::verdict;
using users = std::vector<std::uint64_t>;

constexpr std::uint64_t no_bound = (std::numeric_limits<std::uint64_t>::max)();

/// Points come to pass when the test says so, in order.
struct slow_device : dataless_device
{
  std::uint64_t done = 0;
  std::uint64_t asked = 0;
  [[nodiscard]] bool query(event point)
  {
    ++asked;
    return point.sequence <= done;
  }
};
static_assert(device<slow_device>);

[[nodiscard]] users waiting(queue_type& queue)
{
  users out;
  queue.walk([&](entry_type& e) {
    out.push_back(to_number(e.user));
    return verdict::stays;
  });
  return out;
}

}  // namespace

TEST_CASE("write queue: no more bytes under way than the bound, counted until their copies have come to pass", "[move]")
{
  slow_device d;
  const stream_id s = d.create_stream("offload");
  queue_type queue(100);
  CHECK(queue.may_begin(d, 0));
  CHECK(queue.may_begin(d, 99));
  CHECK_FALSE(queue.may_begin(d, 100));
  queue.add(d.record(s), 60);
  CHECK(queue.may_begin(d, 39));
  CHECK_FALSE(queue.may_begin(d, 40));
  queue.add(d.record(s), 60);  // one that began below the bound may reach beyond it
  CHECK_FALSE(queue.may_begin(d, 0));
  d.done = 1;
  CHECK(queue.may_begin(d, 39));
  CHECK_FALSE(queue.may_begin(d, 40));
  d.done = 2;
  CHECK(queue.may_begin(d, 99));
}

TEST_CASE("write queue: without a bound everything may begin, and nobody is asked", "[move]")
{
  slow_device d;
  const stream_id s = d.create_stream("offload");
  queue_type queue(no_bound);
  for (int i = 0; i < 3; ++i) queue.add(d.record(s), no_bound / 2);
  CHECK(queue.may_begin(d, no_bound));
  CHECK(d.asked == 0);
}

TEST_CASE("write queue: who waits keeps their place, and leaves by themselves when they go", "[move]")
{
  std::deque<std::unique_ptr<lone_entry<entry_type>>> all;
  for (std::uint64_t id = 0; id < 5; ++id) all.push_back(std::make_unique<lone_entry<entry_type>>(id));
  queue_type queue(100);
  CHECK((queue.empty() && queue.size() == 0));
  for (const std::size_t id : {3U, 1U, 4U, 0U, 1U, 3U}) queue.join(*all[id]);
  CHECK(queue.size() == 4);
  CHECK(waiting(queue) == users{3, 1, 4, 0});
  all[4].reset();
  CHECK(waiting(queue) == users{3, 1, 0});
  all[1]->become_cold();  // discarded
  all[1]->record.renew();
  CHECK(waiting(queue) == users{3, 0});
  all[1]->become_hot(all[1]->record);
  queue.join(*all[1]);
  CHECK(waiting(queue) == users{3, 0, 1});
}

TEST_CASE("write queue: a walk leaves, keeps and stops as it is told", "[move]")
{
  std::deque<lone_entry<entry_type>> all;
  for (std::uint64_t id = 0; id < 5; ++id) all.emplace_back(id);
  queue_type queue(100);
  for (entry_type& e : all) queue.join(e);
  users met;
  queue.walk([&](entry_type& e) {
    met.push_back(to_number(e.user));
    if (e.user == user_id{3}) return verdict::stop;
    return to_number(e.user) % 2 == 0 ? verdict::leaves : verdict::stays;
  });
  CHECK(met == users{0, 1, 2, 3});
  CHECK(waiting(queue) == users{1, 3, 4});
  queue.join(all[0]);  // again, at the end
  CHECK(waiting(queue) == users{1, 3, 4, 0});
}

TEST_CASE("write queue: each lane has the bound and a line to itself", "[move]")
{
  slow_device d;
  const stream_id s = d.create_stream("offload");
  std::deque<lone_entry<entry_type>> all;
  for (std::uint64_t id = 0; id < 6; ++id) all.emplace_back(id);
  queue_type queue(100);
  queue.add(d.record(s), 100, 2);
  CHECK_FALSE(queue.may_begin(d, 0, 2));
  CHECK(queue.may_begin(d, 99, 1));
  CHECK_FALSE((queue.waits(0) || queue.waits(2) || queue.waits(9)));
  for (const std::size_t id : {0U, 1U, 2U}) queue.join(all[id], 2);
  for (const std::size_t id : {3U, 4U}) queue.join(all[id], 0);
  queue.join(all[0], 0);  // keeps its place
  CHECK((queue.size() == 5 && !queue.empty()));
  CHECK((queue.waits(0) && !queue.waits(1) && queue.waits(2)));
  CHECK(waiting(queue) == users{3, 4, 0, 1, 2});
  users met;
  queue.walk([&](entry_type& e) {
    met.push_back(to_number(e.user));
    return e.user == user_id{3} ? verdict::next_lane : verdict::leaves;
  });
  CHECK(met == users{3, 0, 1, 2});
  CHECK(waiting(queue) == users{3, 4});
  d.done = 1;
  CHECK(queue.may_begin(d, 99, 2));
}

TEST_CASE("write queue: a walk may ask of lanes that nobody has joined yet", "[move]")
{
  slow_device d;
  std::deque<lone_entry<entry_type>> all;
  for (std::uint64_t id = 0; id < 4; ++id) all.emplace_back(id);
  queue_type queue(100);
  for (entry_type& e : all) queue.join(e, to_number(e.user));
  users met;
  std::size_t lane = 4;
  queue.walk([&](entry_type& e) {
    met.push_back(to_number(e.user));
    for (int i = 0; i < 20; ++i) CHECK(queue.may_begin(d, 0, lane++));
    return verdict::leaves;
  });
  CHECK(met == users{0, 1, 2, 3});
  CHECK(queue.empty());
}
