// Which process is given which request: by every router, from what the parent knows.
#include "replay/handing_out.hpp"

#include "command_line/named_router.hpp"
#include "support/catch.hpp"

#include <kvstrata/routing/rendezvous.hpp>

#include <algorithm>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace {

/// Users who come back with longer histories, `batch` at a time, none twice in one.
replay::workload returning_users(std::uint64_t users, std::size_t batches, std::size_t batch)
{
  replay::workload out;
  std::mt19937 random(5);
  std::vector<std::uint64_t> order;
  for (std::uint64_t u = 0; u < users; ++u) order.push_back(u);
  std::map<std::uint64_t, kvstrata::token_count> tokens;
  std::uint64_t number = 0;
  for (std::size_t b = 0; b < batches; ++b) {
    std::shuffle(order.begin(), order.end(), random);
    replay::served_batch& made = out.batches.emplace_back();
    for (std::size_t r = 0; r < batch; ++r) {
      kvstrata::token_count& mine = tokens[order[r]];
      mine += mine == 0 ? 100 : 10;
      replay::served_request& one = made.requests.emplace_back();
      one.user = kvstrata::user_id{order[r]};
      one.number = number++;
      one.tokens = mine;
    }
  }
  return out;
}

using handed = std::vector<std::vector<std::uint32_t>>;

/// Tokens that the process which is given them has not seen, what of these the busiest process of each round has, and the most requests
/// that a process is given of a round.
struct summed
{
  std::uint64_t fresh = 0;
  std::uint64_t busiest = 0;
  std::size_t most = 0;
};

summed sum_of(const replay::workload& load, const handed& given)
{
  summed out;
  std::map<std::pair<std::uint32_t, std::uint64_t>, kvstrata::token_count> seen;
  for (std::size_t b = 0; b < given.size(); ++b) {
    std::map<std::uint32_t, std::size_t> got;
    std::map<std::uint32_t, std::uint64_t> computes;
    for (std::size_t r = 0; r < given[b].size(); ++r) {
      const replay::served_request& one = load.batches[b].requests[r];
      auto& had = seen[{given[b][r], kvstrata::to_number(one.user)}];
      out.fresh += one.tokens - had;
      computes[given[b][r]] += one.tokens - had;
      had = one.tokens;
      out.most = (std::max)(out.most, ++got[given[b][r]]);
    }
    std::uint64_t most = 0;
    for (const auto& [process, tokens] : computes) most = (std::max)(most, tokens);
    out.busiest += most;
  }
  return out;
}

}  // namespace

TEST_CASE("handing out: every router gives each request to one process, in its order and its batch", "[replay]")
{
  const replay::workload load = returning_users(30, 20, 7);
  for (const std::string& name : tools::named_router::names()) {
    CAPTURE(name);
    const handed given = replay::hand_out(load, 3, tools::named_router(name));
    REQUIRE(given == replay::hand_out(load, 3, tools::named_router(name)));
    std::map<std::uint64_t, int> got;
    for (std::uint32_t p = 0; p < 3; ++p) {
      std::uint64_t before = 0;
      for (const replay::served_batch& batch : replay::part_of(load, given, p).batches) {
        REQUIRE(!batch.requests.empty());
        const std::uint64_t round = batch.requests.front().number / 7;
        for (const replay::served_request& one : batch.requests) {
          ++got[one.number];
          CHECK(one.number / 7 == round);
          CHECK((one.number == 0 || one.number > before || before == 0));
          CHECK(given[round][one.number % 7] == p);
          before = one.number;
        }
      }
    }
    CHECK(got.size() == 140);
    CHECK(std::all_of(got.begin(), got.end(), [](const auto& one) { return one.second == 1; }));
  }
}

TEST_CASE("handing out: what each router looks at", "[replay]")
{
  const replay::workload load = returning_users(40, 60, 8);
  const auto by = [&](const char* name) { return replay::hand_out(load, 4, tools::named_router(name)); };
  std::vector<kvstrata::rendezvous_member> members;
  for (std::uint64_t p = 1; p <= 4; ++p) members.push_back({.id = p});
  const handed user = by("user");
  const handed turns = by("round_robin");
  for (std::size_t b = 0; b < user.size(); ++b) {
    for (std::size_t r = 0; r < user[b].size(); ++r) {
      const replay::served_request& one = load.batches[b].requests[r];
      CHECK(user[b][r] == kvstrata::rendezvous_owner(one.user, members));
      CHECK(turns[b][r] == one.number % 4);
    }
  }
  // Who has least of the round: all have two.
  CHECK(sum_of(load, by("load")).most == 2);
  // Who has most of the user: nothing is seen twice, whatever else there is to do.
  const summed hit = sum_of(load, by("hit"));
  std::map<std::uint64_t, kvstrata::token_count> last;
  for (const auto& batch : load.batches) {
    for (const auto& one : batch.requests) last[kvstrata::to_number(one.user)] = one.tokens;
  }
  std::uint64_t least = 0;
  for (const auto& [who, tokens] : last) least += tokens;
  CHECK(hit.fresh == least);
  CHECK(hit.most > 3);
  // Between them: more even than hits alone, in requests or in what is computed, and with more hits than by turns.
  const summed affinity = sum_of(load, by("affinity"));
  const summed soonest = sum_of(load, by("soonest"));
  CHECK(affinity.most < hit.most);
  CHECK(soonest.busiest < hit.busiest);
  for (const summed& both : {affinity, soonest}) {
    CHECK(both.fresh < sum_of(load, turns).fresh);
    CHECK(both.fresh < sum_of(load, by("load")).fresh);
    CHECK(both.busiest < sum_of(load, turns).busiest);
  }
}
