// The model against itself in double precision; its norms; and why N must be a constant.
#include "mtgr/reference.hpp"

#include "support/catch.hpp"

#include <array>
#include <memory>

namespace {

using namespace mtgr_test;
using mtgr::part;

constexpr double near_reference = 2e-4;

void check_against_reference(generator& random, const mtgr::config& c, const mtgr::weights& w, user u,
                             const variant& as = {})
{
  INFO("U and S " << u.statics << ", R " << u.recents << ", candidates " << u.candidate_times.size());
  const reference_result right = reference(c, w, u, as);
  const mtgr::model m(c, w, 2);
  std::vector<user> users{u};
  part_pages memory(random, m.shape(), 1 + below(random, 30), users);
  CHECK(furthest(run(m, users, memory), flat(right.logits)) < near_reference);
  for (kvstrata::layer_index l = 0; l < c.layers; ++l) {
    INFO("layer " << l);
    CHECK(furthest(memory.rows(l, 0, part::statics, u.statics), kv_of(right, l, 0, u.statics)) < near_reference);
    CHECK(furthest(memory.rows(l, 0, part::recents, u.recents), kv_of(right, l, u.statics, u.statics + u.recents)) <
          near_reference);
  }
}

// The same gain and bias for all domains.
mtgr::weights shared_norms(const mtgr::config& c)
{
  mtgr::weights w = mtgr::random_weights(c);
  for (mtgr::layer_weights& layer : w.layers) {
    for (mtgr::group_norm* norm : {&layer.input, &layer.gated}) {
      for (std::vector<float>* rows : {&norm->gain, &norm->bias}) {
        const std::size_t width = rows->size() / mtgr::domains;
        for (std::size_t i = width; i < rows->size(); ++i) (*rows)[i] = (*rows)[i - width];
      }
    }
  }
  return w;
}

}  // namespace

TEST_CASE("logits, and K and V of every layer, are those of a mask written out", "[mtgr]")
{
  generator random(1);
  mtgr::config c = small_config();
  const mtgr::weights w = mtgr::random_weights(c);
  check_against_reference(random, c, w, user(random, c, 0, 0, 3));
  check_against_reference(random, c, w, user(random, c, 0, 4, 3));
  check_against_reference(random, c, w, user(random, c, 70, 0, 9));
  check_against_reference(random, c, w, user(random, c, 1, 1, 0));
  for (int round = 0; round < 6; ++round) {
    check_against_reference(random, c, w, user(random, c, below(random, 90), below(random, 40), below(random, 40)));
  }
  c.layers = 1;
  c.user_tokens = 0;
  c.cross_features = 0;
  c.heads = 3;
  c.head_dim = 7;
  check_against_reference(random, c, mtgr::random_weights(c), user(random, c, 20, 5, 4));
  check_against_reference(random, c, mtgr::random_weights(c), user(random, c, 0, 0, 2));
}

TEST_CASE("domains that share gain and bias have a plain layer norm", "[mtgr]")
{
  generator random(2);
  const mtgr::config c = small_config();
  const user u(random, c, 40, 12, 8);
  check_against_reference(random, c, shared_norms(c), u, {.plain_norm = true});

  // And domains that do not share them have none.
  const mtgr::weights own = mtgr::random_weights(c);
  CHECK(furthest(flat(reference(c, own, u).logits), flat(reference(c, own, u, {.plain_norm = true}).logits)) > 0.05);
}

TEST_CASE("dividing by the number of tokens makes cached K and V those of another request", "[mtgr]")
{
  generator random(3);
  mtgr::config c = small_config();
  const mtgr::weights w = mtgr::random_weights(c);
  user few(random, c, 30, 10, 1);
  user many = few;
  many.add_candidates(random, 400);
  const std::uint32_t on_pages = few.statics + few.recents;
  const auto divided_by = [&](std::uint32_t tokens) {
    c.normaliser = tokens;
    return std::make_unique<mtgr::model>(c, w, 1);
  };
  const auto apart = [&](const mtgr::model& first, const mtgr::model& then) {
    std::vector<user> users{few};
    part_pages memory(random, first.shape(), 16, users);
    static_cast<void>(run(first, users, memory));
    std::vector<user> later{many};
    later[0].static_compute = later[0].recent_compute = {};
    const std::vector<float> cached = run(then, later, memory);  // pages of the first request serve the second one
    std::vector<user> again{many};
    part_pages fresh(random, first.shape(), 16, again);
    const std::vector<float> recomputed = run(then, again, fresh);
    std::array<double, 3> out{};
    out[0] = furthest(cached, recomputed);
    out[1] = furthest(memory.rows(0, 0, part::statics, few.statics), fresh.rows(0, 0, part::statics, few.statics));
    out[2] = furthest(memory.rows(2, 0, part::statics, few.statics), fresh.rows(2, 0, part::statics, few.statics));
    return out;
  };
  const auto constant = divided_by(64);
  const std::array<double, 3> kept = apart(*constant, *constant);
  CHECK(kept[0] < 1e-4);
  CHECK(kept[2] < 1e-4);
  const auto by_few = divided_by(on_pages + 1);
  const auto by_many = divided_by(on_pages + 401);
  const std::array<double, 3> literal = apart(*by_few, *by_many);
  INFO("literal 1/N: logits " << literal[0] << ", K and V of the third layer " << literal[2] << " apart");
  CHECK(literal[1] < 1e-5);  // the first layer's do not depend on N
  CHECK(literal[2] > 1e-3);
  CHECK(literal[0] > 1e-3);
}
