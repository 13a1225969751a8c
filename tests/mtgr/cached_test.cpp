// What is served from the pages gives the answer of what is computed anew.
#include "mtgr/reference.hpp"
#include "mtgr/rows.hpp"

#include "support/catch.hpp"

namespace {

using namespace mtgr_test;
using mtgr::part;

// Any ascending intervals in [0, tokens).
kvstrata::interval_list random_intervals(generator& random, kvstrata::token_count tokens)
{
  kvstrata::interval_list out;
  for (kvstrata::token_count at = below(random, tokens + 1); at < tokens;) {
    const kvstrata::token_count end = std::min(tokens, at + 1 + below(random, tokens));
    out.push_back({at, end});
    at = end + 1 + below(random, tokens);
  }
  return out;
}

bool is_computed(const kvstrata::interval_list& list, kvstrata::token_count token)
{
  return std::any_of(list.begin(), list.end(), [token](kvstrata::token_interval i) { return i.contains(token); });
}

std::vector<user> random_users(generator& random, const mtgr::config& c)
{
  std::vector<user> out;
  for (std::uint32_t i = 1 + below(random, 3); i > 0; --i) {
    out.emplace_back(random, c, below(random, 80), below(random, 30), below(random, 20));
  }
  return out;
}

}  // namespace

TEST_CASE("a few new rows of R share the candidates' tile, whatever these see, and the last layer has candidates alone",
          "[mtgr]")
{
  generator random(17);
  const mtgr::config c = small_config();
  std::vector<user> users;
  users.emplace_back(random, c, 60, 20, 90);
  users[0].static_compute = {};
  users[0].recent_compute = {{16, 20}};
  const mtgr::request asked = users[0].request();
  mtgr::row_plan plan;
  plan.assign(c, {&asked, 1}, 1, {128, 128, 1});
  REQUIRE(plan.tiles.size() == 1);
  CHECK(plan.tiles[0].count == 94);
  REQUIRE(plan.candidate_tiles.size() == 1);
  CHECK(plan.candidate_tiles[0].count == 90);
  for (const hstu::query_tile& tile : {plan.tiles[0], plan.candidate_tiles[0]}) {
    std::vector<std::uint32_t> rows(plan.tile_rows.begin() + tile.first,
                                    plan.tile_rows.begin() + tile.first + tile.count);
    CHECK(std::is_sorted(rows.begin(), rows.end(),
                         [&](std::uint32_t a, std::uint32_t b) { return plan.end_of(a) < plan.end_of(b); }));
    std::sort(rows.begin(), rows.end());
    for (std::uint32_t i = 0; i < rows.size(); ++i) CHECK(rows[i] == plan.rows - rows.size() + i);
  }
}

TEST_CASE("cached equals recomputed at every layer, and served bytes stay as they are", "[mtgr]")
{
  generator random(11);
  const mtgr::model m(small_config(), 2);
  for (int round = 0; round < 25; ++round) {
    std::vector<user> users = random_users(random, m.options());
    part_pages memory(random, m.shape(), 1 + below(random, 40), users);
    const std::vector<float> full = run(m, users, memory);
    part_pages whole = memory;
    INFO("round " << round);
    for (std::size_t i = 0; i < users.size(); ++i) {
      user& u = users[i];
      if (below(random, 4) != 0) u.static_compute = {};
      u.recent_compute = random_intervals(random, u.recents);  // what is kept stands on the same U and S
      for (kvstrata::token_count t = 0; t < u.statics && !u.static_compute.empty(); ++t) {
        memory.forget(i, part::statics, t);
      }
      for (kvstrata::token_count t = 0; t < u.recents; ++t) {
        if (is_computed(u.recent_compute, t)) memory.forget(i, part::recents, t);
      }
    }
    std::vector<std::byte> before = memory.bytes();
    CHECK(furthest(run(m, users, memory), full) < close_enough);
    for (std::size_t i = 0; i < users.size(); ++i) {
      for (kvstrata::layer_index l = 0; l < m.options().layers; ++l) {
        for (const part p : {part::statics, part::recents}) {
          const kvstrata::token_count tokens = p == part::statics ? users[i].statics : users[i].recents;
          CHECK(furthest(memory.rows(l, i, p, tokens), whole.rows(l, i, p, tokens)) < close_enough);
          // Of the computed ones the bytes may change, of no others.
          const kvstrata::interval_list& list = p == part::statics ? users[i].static_compute : users[i].recent_compute;
          for (kvstrata::token_count t = 0; t < tokens; ++t) {
            for (const bool value : {false, true}) {
              if (!is_computed(list, t)) continue;
              const std::size_t at = memory.offset(l, i, p, t, value);
              std::memcpy(before.data() + at, memory.bytes().data() + at, m.shape().key_bytes());
            }
          }
        }
      }
    }
    CHECK(memory.bytes() == before);
  }
}

TEST_CASE("R token by token equals R at once", "[mtgr]")
{
  generator random(12);
  const mtgr::model m(small_config(), 1);
  for (const std::uint32_t recents : {1u, 17u, 40u}) {
    std::vector<user> at_once{user(random, m.options(), 33, recents, 7)};
    part_pages right(random, m.shape(), 8, at_once);
    const std::vector<float> full = run(m, at_once, right);

    std::vector<user> grown = at_once;
    part_pages memory(random, m.shape(), 8, grown);
    grown[0].recents = 0;
    grown[0].recent_compute = {};
    static_cast<void>(run(m, grown, memory));
    grown[0].static_compute = {};
    std::vector<float> last;
    for (kvstrata::token_count t = 0; t < recents; ++t) {
      grown[0].recents = t + 1;
      grown[0].recent_compute = {{t, t + 1}};
      last = run(m, grown, memory);
    }
    CHECK(furthest(last, full) < close_enough);
    for (kvstrata::layer_index l = 0; l < m.options().layers; ++l) {
      CHECK(furthest(memory.rows(l, 0, part::recents, recents), right.rows(l, 0, part::recents, recents)) <
            close_enough);
    }
  }
}

TEST_CASE("what happens later changes no bit of what was before", "[mtgr]")
{
  generator random(13);
  const mtgr::model m(small_config(), 1);
  const std::size_t features = m.options().item_features;
  for (int round = 0; round < 8; ++round) {
    std::vector<user> users{user(random, m.options(), 25 + below(random, 60), 20, 16)};
    part_pages memory(random, m.shape(), 16, users);
    const std::vector<float> logits = run(m, users, memory);

    // An event of R: nothing of U and S, of R before it, or of candidates that are not dated after it.
    const std::uint32_t changed = below(random, 20);
    std::vector<user> others = users;
    for (std::size_t i = 0; i < features; ++i) others[0].recent[changed * features + i] *= -1.5f;
    part_pages later = memory;
    const std::vector<float> logits_later = run(m, others, later);
    INFO("round " << round << ", event " << changed);
    for (kvstrata::layer_index l = 0; l < m.options().layers; ++l) {
      CHECK(later.rows(l, 0, part::statics, users[0].statics) == memory.rows(l, 0, part::statics, users[0].statics));
      CHECK(later.rows(l, 0, part::recents, changed) == memory.rows(l, 0, part::recents, changed));
      CHECK(later.row(l, 0, part::recents, changed, true) != memory.row(l, 0, part::recents, changed, true));
    }
    for (std::size_t i = 0; i < 16; ++i) {
      const bool sees = users[0].recent_times[changed] < users[0].candidate_times[i];
      CHECK((logits_later[2 * i] == logits[2 * i] && logits_later[2 * i + 1] == logits[2 * i + 1]) == !sees);
    }

    // A candidate: nothing but its own logits.
    const std::uint32_t other = below(random, 16);
    others = users;
    for (std::size_t i = 0; i < users[0].candidate_floats(); ++i) {
      others[0].candidates[other * users[0].candidate_floats() + i] *= -1.5f;
    }
    later = memory;
    const std::vector<float> logits_other = run(m, others, later);
    CHECK(later.bytes() == memory.bytes());
    for (std::size_t i = 0; i < 16; ++i) CHECK((logits_other[2 * i] == logits[2 * i]) == (i != other));
  }
}

// The model's side of a replace part: that a cache notices it is the cache's to prove, over the same users.
TEST_CASE("one other item of S changes K and V of all of U and S, and an old S that is served shows", "[mtgr]")
{
  generator random(14);
  const mtgr::model m(small_config(), 1);
  std::vector<user> users{user(random, m.options(), 50, 10, 6)};
  part_pages memory(random, m.shape(), 16, users);
  static_cast<void>(run(m, users, memory));
  std::vector<user> others = users;
  for (std::size_t i = 0; i < m.options().item_features; ++i) others[0].sequence[i] = -others[0].sequence[i];
  part_pages anew(random, m.shape(), 16, others);
  const std::vector<float> right = run(m, others, anew);
  for (kvstrata::token_count t = 0; t < users[0].statics; ++t) {
    CHECK(furthest(anew.row(1, 0, part::statics, t, true), memory.row(1, 0, part::statics, t, true)) > 1e-6);
  }
  // Candidates are the same, R is computed on the old S, or served as it was: wrong by far more than rounding.
  for (const bool recompute_recents : {false, true}) {
    others[0].static_compute = {};
    others[0].recent_compute = recompute_recents ? kvstrata::interval_list{{0, 10}} : kvstrata::interval_list{};
    part_pages old = memory;
    CHECK(furthest(run(m, others, old), right) > 20 * close_enough);
  }
}
