// Routing and placement over nodes: items that are asked for together lie together, a request goes to where most of it lies unless too much
// waits there, and a node may go. Pure functions: nothing here is a server.
#include <kvstrata/routing/affinity.hpp>
#include <kvstrata/routing/placement/item_counts.hpp>
#include <kvstrata/routing/placement/stratified_placement.hpp>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

using namespace kvstrata;

sequence_key item(std::uint64_t number) { return {2, number}; }

/// A request asks for four items of one of twelve topics, of ten items each.
std::vector<sequence_key> list_of(std::uint64_t number)
{
  std::vector<sequence_key> out;
  for (std::uint64_t i = 0; i < 4; ++i) out.push_back(item(number % 12 * 10 + (number / 12 + 3 * i) % 10));
  return out;
}

void require(bool holds, const char* what)
{
  if (holds) return;
  std::printf("wrong: %s\n", what);
  std::exit(1);
}

}  // namespace

int main()
{
  // What a window of requests tells of the items.
  item_counts counts;
  for (std::uint64_t i = 0; i < 120; ++i) counts.know(item(i), 100);
  for (std::uint64_t r = 0; r < 600; ++r) counts.add(list_of(r));

  // Who keeps what.
  std::vector<rendezvous_member> members{{.id = 1}, {.id = 2}, {.id = 3}};
  const stratified_placement policy;
  item_placement placed = policy.place(counts.items(), counts.pairs(), members);

  // Who serves a request: what each node has of it, and what it has to do.
  std::vector<node_summary> nodes{{.id = 1}, {.id = 2}, {.id = 3}};
  std::vector<double> hits(nodes.size());
  const auto asked = list_of(5);
  placed.hit_shares(asked, hits);
  for (std::size_t n = 0; n < nodes.size(); ++n) nodes[n].hit = hits[n];
  const affinity_router route;
  const routed_request who{.user = user_id{42}, .number = 5};
  const std::size_t home = route(who, nodes);
  std::printf("idle: to node %d, which has %.0f %% of it\n", static_cast<int>(nodes[home].id), 100 * hits[home]);
  require(hits[home] == 1, "a topic lies on one node");  // and a copy of it on another

  nodes[home].load = 1.5;
  const std::size_t other = route(who, nodes);
  std::printf("busy: to node %d, which has %.0f %% of it\n", static_cast<int>(nodes[other].id), 100 * hits[other]);
  require(other != home && hits[other] == 1, "who is too busy is passed by, for who has a copy");

  // It goes: what it had is on others still, and gets its second copy again when items are placed anew.
  const item_placement before = placed;
  members.erase(members.begin() + static_cast<std::ptrdiff_t>(home));
  placed = policy.place(counts.items(), counts.pairs(), members, before);
  const std::uint64_t moved = moved_tokens(counts.items(), before, placed);
  std::printf("gone: %d of 24000 tokens are copied\n", static_cast<int>(moved));
  require(moved >= 7000 && moved < 9000, "what it had moves, and little else");
  return 0;
}
