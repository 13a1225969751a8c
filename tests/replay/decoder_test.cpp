// replay --model decoder: all cases find the same beams, those that constrain find items only, and the figures are those of what
// each case does.
#include "replay/decoder/command.hpp"
#include "replay/decoder/options.hpp"
#include "replay/decoder/run.hpp"
#include "replay/progress.hpp"
#include "support/catch.hpp"

#include <kvstrata/core/error.hpp>

#include <cstdint>
#include <sstream>
#include <string>
#include <vector>

using namespace replay;

namespace {

decoder_options small_decoder()
{
  decoder_options o;
  o.beams = 12;
  o.codebook = 256;
  o.common.users = 4;
  o.common.requests = 12;
  o.common.batch = 2;
  o.common.layers = 2;
  o.common.hidden = 16;
  o.common.heads = 2;
  o.common.head_dim = 8;
  o.common.page_tokens = 8;
  o.common.history_scale = 0.004;
  o.common.link_gbps = 0;
  o.common.link_latency_us = 0;
  o.common.verify = 1;
  return o;
}

decoder_results run_small_decoder(const decoder_options& o)
{
  std::ostringstream nowhere;
  progress silent(nowhere, progress::kind::silent);
  return run_decoder(o, silent);
}

struct decoder_outcome
{
  int code = 0;
  std::string out, err;
};

decoder_outcome decoder_command_with(std::vector<const char*> arguments)
{
  arguments.insert(arguments.begin(), {"replay", "--model", "decoder"});
  std::ostringstream out, err;
  const int code = decoder_command(static_cast<int>(arguments.size()), arguments.data(), out, err);
  return {code, out.str(), err.str()};
}

}  // namespace

TEST_CASE("decoder replay: every case gives the beams of prompts that are computed anew")
{
  const decoder_results r = run_small_decoder(small_decoder());
  REQUIRE(r.cases.size() == decoder_cases().size());
  for (const decoder_case_result& c : r.cases) {
    INFO(c.which.key);
    CHECK(c.verified >= 10);
    CHECK(c.mismatches == 0);
    CHECK(c.requests == r.workload.requests);
    CHECK(c.found > 0);
    if (c.which.constrained) CHECK(c.invalid == 0);
    else CHECK(c.invalid > c.found / 2);  // most tuples are no items
    if (c.which.early_termination) CHECK(c.counts.visited < c.counts.candidates);
    else CHECK(c.counts.visited == c.counts.candidates);
  }
  const decoder_counts &copied = r.cases[0].counts, &batch = r.cases[1].counts, &cached = r.cases[2].counts;
  // Without a cache every prompt is computed, with one only what is new.
  CHECK(batch.prompts.hit() == 0);
  CHECK(batch.prompts.computed == copied.prompts.computed);
  CHECK(cached.prompts.total() == batch.prompts.total());
  CHECK(cached.prompts.hit() > 0);
  // The same passes over the same prompts, which copies read once for each beam.
  CHECK(cached.traffic == batch.traffic);
  CHECK(copied.traffic.prompt_bytes > 5 * batch.traffic.prompt_bytes);
  CHECK(copied.traffic.own_bytes == batch.traffic.own_bytes);
  CHECK(copied.traffic.moved_bytes > 0);
  // Looking at all candidates looks at more of them, for the same beams.
  CHECK(r.cases[3].counts.visited > cached.visited);
  CHECK(r.cases[3].found == r.cases[2].found);
}

TEST_CASE("decoder replay: the table has a column a case, and the JSON every figure")
{
  const decoder_outcome o = decoder_command_with(
      {"--beams",         "4",     "--codebook", "256",      "--users", "2",           "--requests", "4",
       "--layers",        "1",     "--hidden",   "8",        "--heads", "1",           "--head-dim", "4",
       "--history-scale", "0.002", "--quiet",    "--verify", "--cases", "batch,cached"});
  CHECK(o.code == 0);
  for (const char* text :
       {"requests/s", "separated, per batch", "separated, cached", "invalid items", "visited", "0 of"})
    CHECK(o.out.find(text) != std::string::npos);
  CHECK(o.out.find("copied   ") == std::string::npos);
}

TEST_CASE("decoder replay: bad input is refused with a sentence")
{
  const auto refused = [](const std::vector<const char*>& arguments, const std::string& sentence) {
    const decoder_outcome o = decoder_command_with(arguments);
    INFO(o.err);
    CHECK(o.code == 2);
    CHECK(o.err.find(sentence) != std::string::npos);
  };
  refused({"--beams", "0"}, "--beams");
  refused({"--beams", "0x10"}, "--beams: '0x10' is not a whole number from 0 up");
  refused({"--steps", "-1"}, "--steps: '-1' is not a whole number from 0 up");
  refused({"--codebook", "-1"}, "--codebook: '-1' is not a whole number from 0 up");
  refused({"--steps", "9"}, "--steps");
  refused({"--codebook", "1"}, "--codebook");
  refused({"--cases", "nobody"}, "of a decoder there are copied, batch, cached");
  refused({"--weights", "file"}, "--weights");  // the other models'
  refused({"--codebook", "4", "--users", "2", "--requests", "4", "--quiet"}, "twice as many tuples");
}
