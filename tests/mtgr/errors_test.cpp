// What a pass refuses, in a sentence, before it has touched anything.
#include "mtgr/fixture.hpp"

#include "mtgr/flops.hpp"
#include "mtgr/recompute.hpp"
#include "support/catch.hpp"

#include <kvstrata/core/error.hpp>

#include <functional>
#include <string>

namespace {

using namespace mtgr_test;

std::string refusal(const std::function<void()>& call)
{
  try {
    call();
  } catch (const kvstrata::error& e) {
    return e.what();
  }
  return "";
}

}  // namespace

TEST_CASE("a request that contradicts itself is refused with a sentence", "[mtgr]")
{
  generator random(31);
  const mtgr::model m(small_config(), 1);
  std::vector<user> users{user(random, m.options(), 20, 6, 3)};
  part_pages memory(random, m.shape(), 8, users);
  const std::vector<std::byte> before = memory.bytes();
  const auto message = [&](const std::function<void(mtgr::request&)>& change) {
    user u = users[0];
    mtgr::request r = u.request();
    change(r);
    return refusal([&] { mtgr::batch_forward(m, {&r, 1}, memory.views()); });
  };
  const std::string of = "request 0 of the batch: ";
  const kvstrata::token_interval half[] = {{0, 10}};
  const kvstrata::token_interval later[] = {{4, 6}, {2, 3}};
  const kvstrata::token_interval beyond[] = {{4, 7}};
  const std::vector<std::int64_t> back = {10, 20, 15, 30, 40, 50};
  CHECK(message([](mtgr::request&) {}).empty());
  CHECK(message([](mtgr::request& r) { r.static_tokens = 3; }) == of + "U and S have 3 tokens, but U alone has 5");
  CHECK(message([](mtgr::request& r) { r.static_tokens = 500; }) == of + "S has 495 tokens, but the model takes 400");
  CHECK(message([](mtgr::request& r) { r.recent_tokens = 101; }) == of + "R has 101 tokens, but the model takes 100");
  CHECK(message([](mtgr::request& r) { r.static_tokens = 40; }) ==
        of + "the pages of U and S hold 25 tokens, but there are 40");
  CHECK(message([](mtgr::request& r) { r.recent_tokens = 9; }) == of + "the pages of R hold 6 tokens, but there are 9");
  CHECK(message([&](mtgr::request& r) { r.static_compute = half; }) ==
        of + "10 of the 25 tokens of U and S are to be computed, but they see each other: it must be all or none");
  CHECK(message([&](mtgr::request& r) { r.recent_compute = {}; }) ==
        of + "recent has 72 floats, but 0 tokens of 12 features need 0");
  CHECK(message([&](mtgr::request& r) { r.recent_compute = later; }) ==
        of + "tokens [2, 3) of the compute list of R overlap earlier ones or lie outside [0, 6)");
  CHECK(message([&](mtgr::request& r) { r.recent_compute = beyond; }) ==
        of + "tokens [4, 7) of the compute list of R overlap earlier ones or lie outside [0, 6)");
  CHECK(message([&](mtgr::request& r) { r.recent_times = back; }) ==
        of + "token 2 of R happened before the one in front of it, which would look ahead: times must not descend");
  CHECK(message([](mtgr::request& r) { r.recent_times = r.recent_times.first(4); }) ==
        of + "R has 6 tokens, but there are 4 times");
  CHECK(message([](mtgr::request& r) { r.user = r.user.first(7); }) ==
        of + "user has 7 floats, but 5 tokens of 6 features need 30");
  CHECK(message([](mtgr::request& r) { r.sequence = {}; }) ==
        of + "sequence has 0 floats, but 20 tokens of 12 features need 240");
  CHECK(message([](mtgr::request& r) { r.recent = {}; }) ==
        of + "recent has 0 floats, but 6 tokens of 12 features need 72");
  CHECK(message([](mtgr::request& r) { r.candidates = r.candidates.first(19); }) ==
        of + "candidates has 19 floats, but 3 tokens of 19 features need 57");
  CHECK(memory.bytes() == before);
}

TEST_CASE("pages of another shape, parts of two memories, weights of another size", "[mtgr]")
{
  generator random(32);
  const mtgr::config c = small_config();
  const mtgr::model m(c, 1);
  std::vector<user> users{user(random, c, 20, 6, 3)};
  part_pages memory(random, m.shape(), 8, users);
  part_pages other(random, m.shape(), 8, users);
  const mtgr::request r = users[0].request();
  const auto message = [&](const mtgr::part_views& views) {
    return refusal([&] { mtgr::batch_forward(m, {&r, 1}, views); });
  };
  mtgr::part_views mixed = memory.views();
  mixed.recents = other.views().recents;
  CHECK(message(mixed) ==
        "the page tables of two parts are of different memory: pages of 8 and of 8 tokens, or "
        "another base or placement");
  mixed = memory.views();
  mixed.candidates = other.views_with_scratch().candidates;
  CHECK(message(mixed).find("the page tables of two parts are of different memory") == 0);
  mixed.candidates = memory.views().statics;  // room for 25
  user asks_more = users[0];
  asks_more.add_candidates(random, 23);
  const mtgr::request more = asks_more.request();
  CHECK(refusal([&] { mtgr::batch_forward(m, {&more, 1}, mixed); }) ==
        "request 0 of the batch: the pages of candidates hold 25 tokens, but there are 26");
  mtgr::part_views narrow = memory.views();
  narrow.statics.shape.head_dim = 8;
  CHECK(message(narrow).find("but the model has") != std::string::npos);
  CHECK(refusal([&] { mtgr::batch_forward(m, {}, memory.views()); }) ==
        "a part's page table is of 1 requests, the batch has 0");

  mtgr::weights w = mtgr::random_weights(c);
  w.layers[1].gated.gain.pop_back();
  CHECK(refusal([&] { mtgr::model(c, w, 1); }) ==
        "the size of the tensor layers.1.gated.gain is 127, but the model's config asks for 4 x 32 = 128");
  w.layers.pop_back();
  CHECK(refusal([&] { mtgr::model(c, w, 1); }) ==
        "the number of layers among the weights is 2, but the model's config asks for 3");
  mtgr::config bad = c;
  bad.heads = 0;
  CHECK(refusal([&] { mtgr::model(bad, 1); }) == "mtgr.heads is 0, but it must be at least 1");
  bad = c;
  bad.epsilon = 0;
  CHECK(refusal([&] { mtgr::model(bad, 1); }).find("mtgr.epsilon is 0.000000") == 0);
}

TEST_CASE("steps have their order", "[mtgr]")
{
  generator random(33);
  const mtgr::model m(small_config(), 1);
  std::vector<user> users{user(random, m.options(), 20, 6, 3)};
  part_pages memory(random, m.shape(), 8, users);
  const mtgr::request r = users[0].request();
  mtgr::batch_forward pass(m, {&r, 1}, memory.views());
  CHECK(refusal([&] { pass.layer(0); }) == "layer(0) was called, but embed() comes first");
  pass.embed();
  CHECK(refusal([&] { pass.layer(1); }) == "layer(1) was called, but layer 0 is next");
  pass.layer(0);
  CHECK(refusal([&] { pass.head(); }) == "head() was called, but layer 1 is next");
  pass.layer(1);
  pass.layer(2);
  CHECK(refusal([&] { pass.layer(3); }) == "layer(3) was called, but head() is next");
}

TEST_CASE("recompute() needs no pages, and operations are counted", "[mtgr]")
{
  generator random(34);
  const mtgr::model m(small_config(), 1);
  std::vector<user> users{user(random, m.options(), 20, 6, 3), user(random, m.options(), 0, 0, 2)};
  part_pages memory(random, m.shape(), 8, users);
  const std::vector<float> right = run(m, users, memory);
  mtgr::scratch_parts scratch(16);
  CHECK(mtgr::recompute(m, requests_of(users), scratch) == right);

  // The paper's three sizes, of which it tells 5.47, 18.59 and 55.76 G.
  mtgr::config c;
  CHECK(std::abs(mtgr::paper_flops(c, 500) / 1e9 - 5.47) < 0.005);
  c.layers = 5;
  c.hidden = 768;
  c.heads = 3;
  CHECK(std::abs(mtgr::paper_flops(c, 500) / 1e9 - 18.59) < 0.005);
  c.layers = 15;
  CHECK(std::abs(mtgr::paper_flops(c, 500) / 1e9 - 55.76) < 0.005);

  // By hand: one layer, of which U and S compute K and V alone.
  c = small_config();
  c.layers = 1;
  const mtgr::part_flops f = mtgr::flops(c, {25, 25, 6, 6, 3});
  CHECK(f.statics == 5 * 2.0 * 24 * (6 + 32) + 20 * 2.0 * 24 * (12 + 32) + 25 * 2.0 * 32 * 64);
  CHECK(f.recents == 6 * (2.0 * 24 * (12 + 32) + 2.0 * 32 * 64));
  CHECK(f.candidates ==
        3 * (2.0 * 24 * (19 + 32) + 2.0 * 32 * 160 + 4.0 * 32 * (25 + 6 + 1) + 2.0 * 2 * 16 * (32 + 1)));
}
