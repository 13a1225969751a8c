// What is refused, and in which words; threads; the crew; flop counts.
#include "hstu/fixture.hpp"

#include "hstu/flops.hpp"
#include "hstu/recompute.hpp"
#include "support/catch.hpp"

#include <atomic>
#include <limits>
#include <span>
#include <string>
#include <thread>

namespace {

using namespace hstu_test;

hstu::config tiny()
{
  hstu::config c;
  c.layers = 2;
  c.hidden = 16;
  c.heads = 2;
  c.head_dim = 8;
  c.items = 64;
  c.max_tokens = 128;
  return c;
}

template <class Error, class Call>
std::string message_of(Call call)
{
  try {
    call();
  } catch (const Error& e) {
    return e.what();
  }
  return "nothing was thrown";
}

bool mentions(const std::string& text, std::initializer_list<const char*> words)
{
  for (const char* word : words) {
    if (text.find(word) == std::string::npos) {
      UNSCOPED_INFO("'" << text << "' does not mention '" << word << "'");
      return false;
    }
  }
  return true;
}

}  // namespace

TEST_CASE("a config names the field that is wrong, its value and the limit", "[hstu]")
{
  using field = std::uint32_t hstu::config::*;
  const std::pair<const char*, field> required[] = {
      {"hstu.layers", &hstu::config::layers},         {"hstu.hidden", &hstu::config::hidden},
      {"hstu.heads", &hstu::config::heads},           {"hstu.head_dim", &hstu::config::head_dim},
      {"hstu.items", &hstu::config::items},           {"hstu.actions", &hstu::config::actions},
      {"hstu.max_tokens", &hstu::config::max_tokens}, {"hstu.event_tokens", &hstu::config::event_tokens}};
  for (const auto& entry : required) {
    hstu::config c = tiny();
    c.*entry.second = 0;
    CHECK(mentions(message_of<kvstrata::config_error>([&] { check(c); }), {entry.first, "is 0", "at least 1"}));
    c.*entry.second = 0xffffffffu;
    CHECK(mentions(message_of<kvstrata::config_error>([&] { hstu::model m(c); }),
                   {entry.first, "4294967295", "at most"}));
  }
  hstu::config c = tiny();
  c.time_buckets = 1000;
  CHECK(mentions(message_of<kvstrata::config_error>([&] { check(c); }), {"hstu.time_buckets", "1000", "256"}));
  c = tiny();
  c.event_tokens = 3;
  CHECK(mentions(message_of<kvstrata::config_error>([&] { check(c); }), {"hstu.event_tokens is 3", "tables"}));
  c = tiny();
  c.epsilon = 0;
  CHECK(mentions(message_of<kvstrata::config_error>([&] { check(c); }), {"hstu.epsilon is 0", "above 0"}));
  c = tiny();
  c.alpha = std::numeric_limits<float>::infinity();
  CHECK(mentions(message_of<kvstrata::config_error>([&] { check(c); }), {"hstu.alpha is inf", "finite"}));
  c = tiny();
  c.tasks = 1025;
  CHECK(mentions(message_of<kvstrata::config_error>([&] { check(c); }), {"hstu.tasks", "1025", "1024"}));
  CHECK_NOTHROW(check(hstu::config{}));
}

TEST_CASE("a batch that contradicts itself, its pages or the model is refused", "[hstu]")
{
  generator random(21);
  const hstu::model m(tiny());
  const user good(random, 40, 2);
  pages memory(random, m.shape(), 32, {40});
  const auto refused = [&](auto change) {
    user bad = good;
    hstu::request r = bad.request();
    change(bad, r);
    const std::vector<hstu::request> batch = {r};
    return message_of<kvstrata::error>([&] { hstu::batch_forward(m, batch, memory.view()); });
  };
  CHECK(mentions(refused([](user&, hstu::request& r) { r.items = r.items.first(19); }),
                 {"request 0", "40 tokens", "20", "19 items"}));
  CHECK(mentions(refused([](user&, hstu::request& r) { r.times = {}; }), {"request 0", "0 times"}));
  CHECK(mentions(refused([](user&, hstu::request& r) { r.first_token = 41; }),
                 {"request 0", "begins at token 41", "its history has 40"}));
  CHECK(mentions(refused([](user&, hstu::request& r) { r.first_token = 2; }),
                 {"request 0", "[0, 40)", "compute list", "outside [2, 40)"}));
  static constexpr kvstrata::token_interval overlapping[] = {{0, 10}, {9, 20}};
  CHECK(mentions(refused([](user&, hstu::request& r) { r.compute = overlapping; }), {"[9, 20)"}));
  static constexpr kvstrata::token_interval outside[] = {{0, 41}};
  CHECK(mentions(refused([](user&, hstu::request& r) { r.compute = outside; }), {"[0, 41)", "[0, 40)"}));

  pages few(random, m.shape(), 32, {39});
  const std::vector<hstu::request> batch = {good.request()};
  CHECK(mentions(message_of<kvstrata::history_error>([&] { hstu::batch_forward(m, batch, few.view()); }),
                 {"39 tokens", "40"}));
  const std::vector<hstu::request> two = {good.request(), good.request()};
  CHECK(mentions(message_of<kvstrata::history_error>([&] { hstu::batch_forward(m, two, memory.view()); }),
                 {"1 requests", "2"}));
  kvstrata::geometry other = m.shape();
  other.kv_heads = 3;
  pages wrong(random, other, 32, {40});
  CHECK(mentions(message_of<kvstrata::geometry_error>([&] { hstu::batch_forward(m, batch, wrong.view()); }),
                 {"2 layers x 3 heads x 8 f32", "2 layers x 2 heads x 8 f32"}));
}

TEST_CASE("a caller's vectors must be those of the tokens that are computed", "[hstu]")
{
  generator random(25);
  hstu::config c = tiny();
  c.inputs = hstu::token_inputs::by_caller;
  c.time_buckets = 0;
  const hstu::model m(c);
  pages memory(random, m.shape(), 32, {6});
  const std::vector<float> floats(100);
  const kvstrata::token_interval compute[] = {{1, 3}, {5, 6}};
  const auto refused = [&](auto change) {
    hstu::request r;
    r.history = 6;
    r.compute = compute;
    r.inputs = std::span(floats).first(3 * 16);
    r.candidate_inputs = std::span(floats).first(2 * 16);
    change(r);
    return message_of<kvstrata::error>([&] { hstu::batch_forward(m, std::vector{r}, memory.view()); });
  };
  const auto first = [&](std::size_t count) { return std::span(floats).first(count); };
  CHECK(refused([](hstu::request&) {}) == "nothing was thrown");
  CHECK(mentions(refused([&](hstu::request& r) { r.inputs = first(47); }), {"request 0", "inputs has 47", "48"}));
  CHECK(
      mentions(refused([&](hstu::request& r) { r.candidate_inputs = first(33); }), {"candidate_inputs has 33", "32"}));
  CHECK(mentions(refused([&](hstu::request& r) { r.last_input = first(16); }), {"last_input has 16", "need 0"}));
  CHECK(mentions(refused([&](hstu::request& r) { r.last_state = true; }), {"last_input has 0", "need 16"}));
  CHECK(mentions(refused([&](hstu::request& r) {
                   r.compute = {};
                   r.inputs = {};
                   r.first_token = 6;
                   r.last_state = true;
                 }),
                 {"state of its last token", "has none"}));
}

TEST_CASE("steps out of turn are refused", "[hstu]")
{
  generator random(22);
  const hstu::model m(tiny());
  const user u(random, 10, 2);
  pages memory(random, m.shape(), 32, {10});
  const std::vector<hstu::request> batch = {u.request()};
  hstu::batch_forward pass(m, batch, memory.view());
  CHECK(mentions(message_of<kvstrata::usage_error>([&] { pass.layer(0); }), {"layer(0)", "embed() comes first"}));
  pass.embed();
  CHECK(mentions(message_of<kvstrata::usage_error>([&] { pass.layer(1); }), {"layer(1)", "layer 0 is next"}));
  CHECK(mentions(message_of<kvstrata::usage_error>([&] { pass.head(); }), {"head()", "layer 0 is next"}));
  pass.layer(0);
  pass.layer(1);
  CHECK(mentions(message_of<kvstrata::usage_error>([&] { pass.layer(2); }), {"layer(2)", "head() is next"}));
  CHECK_NOTHROW(pass.head());
}

TEST_CASE("several threads run passes on one model", "[hstu]")
{
  generator random(23);
  const hstu::model m(tiny(), 2);
  std::vector<user> users;
  std::vector<std::vector<float>> expected;
  for (int i = 0; i < 3; ++i) {
    users.emplace_back(random, 100, 3);
    expected.push_back(run_alone(random, m, users.back()));
  }
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < users.size(); ++i) {
    threads.emplace_back([&, i] {
      hstu::scratch_pages memory;
      const std::vector<hstu::request> batch = {users[i].request()};
      for (int round = 0; round < 20; ++round) {
        if (furthest(hstu::recompute(m, batch, memory), expected[i]) > 1e-4) ++wrong;
      }
    });
  }
  for (std::thread& t : threads) t.join();
  CHECK(wrong == 0);
}

TEST_CASE("a crew does each item once and passes exceptions on", "[hstu]")
{
  hstu::crew crew(3);
  CHECK(crew.size() == 3);
  for (const std::size_t count : {0u, 1u, 2u, 1000u}) {
    std::vector<std::atomic<int>> done(count);
    std::atomic<bool> strangers = false;
    crew.each(count, [&](std::size_t item, std::size_t member) {
      ++done[item];
      if (member >= 3) strangers = true;
    });
    CHECK(std::all_of(done.begin(), done.end(), [](const auto& d) { return d == 1; }));
    CHECK_FALSE(strangers);
  }
  const auto fail = [&] {
    crew.each(50, [](std::size_t item, std::size_t) {
      if (item == 7) throw kvstrata::error("seven");
    });
  };
  CHECK(message_of<kvstrata::error>(fail) == "seven");
  std::atomic<int> after = 0;
  crew.each(10, [&](std::size_t, std::size_t) { ++after; });
  CHECK(after == 10);
}

TEST_CASE("flops count what is computed", "[hstu]")
{
  hstu::config c = tiny();
  const double D = 16, H = 16;
  const kvstrata::token_interval pieces[] = {{0, 2}, {10, 11}};  // see 1, 2 and 11 keys
  const hstu::request_shape shape{20, pieces, 5};
  const double candidates = 5 * (2 * H * 4 * D + 4 * D * 21 + 2 * D * H);
  CHECK(hstu::layer_flops(c, shape, 0) == candidates + 3 * (2 * H * 4 * D + 2 * D * H) + 4 * D * (1 + 2 + 11));
  CHECK(hstu::layer_flops(c, shape, 1) == candidates + 3 * 2 * H * 2 * D);
  CHECK(hstu::head_flops(c, shape) == 5 * (2 * H * H + 2 * H * 4));
  CHECK(hstu::flops(c, shape) ==
        hstu::layer_flops(c, shape, 0) + hstu::layer_flops(c, shape, 1) + hstu::head_flops(c, shape));
}
