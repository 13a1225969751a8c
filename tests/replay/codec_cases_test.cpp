// --codec: the command line, what agrees with recomputation, and a small run of every codec.
#include "replay/codec_cases.hpp"

#include "replay/agreement.hpp"
#include "replay/json.hpp"
#include "replay/options.hpp"
#include "replay/report.hpp"
#include "replay/run.hpp"
#include "replay/table.hpp"
#include "support/catch.hpp"

#include <sstream>
#include <string>
#include <vector>

namespace {

struct outcome
{
  std::optional<int> code;
  replay::options options;
  std::string err;
};

outcome parse(std::vector<const char*> arguments)
{
  arguments.insert(arguments.begin(), "replay");
  outcome o;
  std::ostringstream out, err;
  o.code = replay::parse(static_cast<int>(arguments.size()), arguments.data(), o.options, out, err);
  o.err = err.str();
  return o;
}

}  // namespace

TEST_CASE("--codec adds a case for each codec, and says what is wrong", "[options][codec]")
{
  const outcome two = parse({"--cases", "none", "--codec", "int8,exp4,identity", "--exact-share", "0.25"});
  CHECK_FALSE(two.code);
  CHECK(two.options.cases == std::vector<std::string>{"none", "default", "exp4", "int8"});
  CHECK(parse({"--codec", "int4", "--int4"}).options.cases.back() == "int4");
  const auto fault = [](std::vector<const char*> arguments, const std::string& part) {
    const outcome o = parse(std::move(arguments));
    CAPTURE(o.err);
    CHECK(o.code == 2);
    CHECK(o.err.find(part) != std::string::npos);
  };
  fault({"--codec", "zip"}, "--codec is 'zip', but it must be some of identity, exp4, int8, fp8, int4");
  fault({"--codec", "int4"}, "it is there with --int4 only");
  fault({"--codec", ""}, "it must not be empty");
  fault({"--codec", "exp4", "--exact-share", "0.5"}, "everything is exact without a lossy codec");
  fault({"--codec", "int8", "--exact-share", "2"}, "it must be from 0 to 1");
}

TEST_CASE("agreement: error and ranks against an answer of one's own", "[codec]")
{
  constexpr std::size_t candidates = 20;
  std::vector<float> right(2 * candidates), served(2 * candidates);
  for (std::size_t c = 0; c < candidates; ++c) {
    right[2 * c] = static_cast<float>(c);  // task 0 ranks the last ten first
    right[2 * c + 1] = 1;                  // task 1 the first ten
  }
  served = right;
  served[2 * 3] = 100;  // comes in, and candidate 10 goes
  replay::agreement_sums sums;
  sums.add(right, right, 2);
  CHECK(sums.result().error == 0);
  CHECK(sums.result().kept[0] == 1);
  CHECK(sums.result().kept[1] == 0);  // there are no hundred
  replay::agreement_sums off;
  off.add(served, right, 2);
  double squares = 0;
  for (const float x : right) squares += double{x} * double{x};
  CHECK(off.result().error == Approx(97 / std::sqrt(squares)));
  CHECK(off.result().largest == 97);
  CHECK(off.result().mean == Approx(97.0 / (2 * candidates)));
  CHECK_FALSE(off.result().unlike_uncoded);
  off.compare_uncoded(served, right);
  CHECK(off.result().unlike_uncoded == 1);
  off.compare_uncoded(right, right);
  CHECK(off.result().unlike_uncoded == 1);
  CHECK(off.result().kept[0] == Approx((0.9 + 1) / 2));
}

namespace {

replay::options small_run()
{
  replay::options o;
  o.users = 10;
  o.requests = 48;
  o.batch = 3;
  o.candidates = 12;
  o.layers = 2;
  o.hidden = 64;
  o.heads = 2;
  o.head_dim = 32;
  o.page_tokens = 8;
  o.history_scale = 0.01;
  o.device_share = 0.6;
  o.host_share = 0.5;
  o.link_gbps = 0;
  o.link_latency_us = 0;
  o.rounds = 1;
  o.verify = 1;
  return o;
}

replay::results run(const replay::options& o)
{
  std::ostringstream nowhere;
  replay::progress silent(nowhere, replay::progress::kind::silent);
  return replay::run(o, silent);
}

}  // namespace

TEST_CASE("where the arena holds everybody, a lossless codec changes no bit of a score", "[run][codec]")
{
  replay::options o = small_run();
  o.host_share = 4;
  o.codec = {.names = "exp4,int8"};
  o.cases = {"default", "exp4", "int8"};
  const replay::results r = run(o);
  REQUIRE(r.cases.size() == 3);
  const replay::score_agreement plain = r.cases[0].agreement.value();
  const replay::score_agreement exp4 = r.cases[1].agreement.value();
  const replay::score_agreement int8 = r.cases[2].agreement.value();
  CHECK(r.cases[1].tokens.fetched() > 0);
  CHECK(r.cases[1].tokens == r.cases[0].tokens);
  CHECK(exp4.unlike_uncoded == 0);
  CHECK(exp4.error == plain.error);
  CHECK(exp4.mean == plain.mean);
  CHECK(exp4.largest == plain.largest);
  CHECK(exp4.kept == plain.kept);
  CHECK(int8.unlike_uncoded > 0);
  CHECK(int8.error > 10 * plain.error);
}

TEST_CASE("a small run with codecs: lossless answers and exact ones equal recomputation", "[run][codec]")
{
  replay::options o = small_run();
  o.codec = {.names = "exp4,int8,fp8", .int4 = false, .exact_share = 0.25};
  o.cases = {"none", "default", "exp4", "int8", "fp8"};
  const replay::results r = run(o);
  REQUIRE(r.cases.size() == 5);
  REQUIRE(r.verified);
  CHECK(r.verified->mismatches == 0);
  const auto& plain = r.cases[1];
  const auto& exp4 = r.cases[2];
  const auto& int8 = r.cases[3];
  const auto& fp8 = r.cases[4];
  for (const replay::case_result& c : r.cases) {
    REQUIRE(c.agreement);
    CHECK(c.agreement->requests == int8.agreement->requests);
    CHECK(c.tokens.total() == plain.tokens.total());
  }
  CHECK(exp4.agreement->error < 1e-5);
  CHECK_FALSE(plain.agreement->unlike_uncoded);
  CHECK(int8.agreement->unlike_uncoded > 0);
  CHECK(int8.agreement->mean > 0);
  CHECK(int8.agreement->mean < int8.agreement->largest);
  CHECK(int8.agreement->error > 1e-5);
  CHECK(int8.agreement->error < 0.05);
  CHECK(fp8.agreement->error > int8.agreement->error);
  CHECK(int8.agreement->kept[0] > 0.8);
  CHECK(int8.inexact_tokens > 0);
  CHECK(plain.inexact_tokens == 0);
  CHECK(exp4.inexact_tokens == 0);
  const auto bytes_a_token = [](const replay::case_result& c) {
    return static_cast<double>(c.onload_bytes) / static_cast<double>(c.tokens.fetched());
  };
  CHECK(bytes_a_token(int8) < bytes_a_token(plain));
  CHECK(replay::from_json(replay::to_json(r)) == r);
  CHECK(replay::summary(r).find("top 10 kept") != std::string::npos);
  CHECK(replay::report(r).find("top 10 kept") != std::string::npos);
  for (const char* row : {"mean score error", "largest score error", "unlike uncoded"}) {
    CHECK(replay::summary(r).find(row) != std::string::npos);
    CHECK(replay::report(r).find(row) != std::string::npos);
  }
}
