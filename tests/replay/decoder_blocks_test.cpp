// replay --model decoder --blocks: cases are served out of their caches what they give without one, say what they are, and come
// nearer to recomputation the more is computed anew.
#include "replay/decoder/blocks/load.hpp"
#include "replay/decoder/blocks/run.hpp"
#include "replay/decoder/command.hpp"
#include "replay/progress.hpp"
#include "support/catch.hpp"

#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

using namespace replay;

namespace {

block_options small_blocks()
{
  block_options o = usual_block_options();
  o.words = 64;
  o.candidates = 3;
  o.history_items = 2;
  o.least_tokens = 6;
  o.most_tokens = 12;
  o.common.users = 3;
  o.common.requests = 8;
  o.common.layers = 2;
  o.common.hidden = 16;
  o.common.heads = 2;
  o.common.head_dim = 8;
  o.common.page_tokens = 8;
  o.common.history_scale = 0.01;
  o.common.link_gbps = 0;
  o.common.link_latency_us = 0;
  o.common.verify = 1;
  return o;
}

block_results run_small(const block_options& o)
{
  std::ostringstream nowhere;
  progress silent(nowhere, progress::kind::silent);
  double now = 0;
  return run_blocks(o, silent, [&now] { return now += 0.5; });
}

const block_case_result& find(const block_results& r, const std::string& name)
{
  for (const block_case_result& c : r.cases) {
    if (name_of(c.which) == name) return c;
  }
  FAIL("there is no case " << name);
  return r.cases.front();
}

struct outcome
{
  int code = 0;
  std::string out, err;
};

outcome command_with(std::vector<const char*> arguments)
{
  arguments.insert(arguments.begin(), {"replay", "--model", "decoder", "--blocks"});
  std::ostringstream out, err;
  const int code = decoder_command(static_cast<int>(arguments.size()), arguments.data(), out, err);
  return {code, out.str(), err.str()};
}

}  // namespace

TEST_CASE("blocks replay: prompts are texts of the workload's items, the same wherever they stand", "[replay][blocks]")
{
  block_options o = small_blocks();
  o.prototypes = 10;
  o.common.requests = 40;
  const block_load load = make_block_load(o);
  REQUIRE(load.prompts.size() == 40);
  std::map<std::pair<std::uint32_t, std::uint64_t>, std::vector<std::uint32_t>> texts;
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::vector<std::uint32_t>> prefixes;  // [user, window]
  bool in_both = false, grown = false;
  std::set<std::uint64_t> in_histories, among_candidates;
  for (const block_prompt& p : load.prompts) {
    std::size_t candidates = 0, history = 0;
    kvstrata::token_count end = 0;
    for (const placed_text& t : p.texts) {
      REQUIRE(t.start >= end);
      end = t.start + t.tokens;
      if (t.kind == block_of_item) {
        CHECK(t.tokens >= 6);
        CHECK(t.tokens <= 12);
        const bool of_history = t.start < p.prefix;
        CHECK((t.group == kvstrata::block_group::history) == of_history);
        (of_history ? history : candidates) += 1;
        (of_history ? in_histories : among_candidates).insert(t.id);
      }
      const auto words = words_of(p, t);
      const std::vector<std::uint32_t> mine(words.begin(), words.end());
      CHECK(texts.try_emplace({t.kind, t.id}, mine).first->second == mine);
    }
    CHECK(candidates == 3);
    CHECK(history >= 2);
    CHECK(history < 2 + 1 + 1);  // half as many more, before the oldest go
    REQUIRE(end < p.words.size());
    CHECK(p.words.back() == 64);  // the start token
    // Within a window a prefix grows at its end.
    auto& before = prefixes[{p.user, p.window}];
    const std::vector<std::uint32_t> prefix(p.words.begin(), p.words.begin() + static_cast<std::ptrdiff_t>(p.prefix));
    REQUIRE(prefix.size() >= before.size());
    CHECK(std::equal(before.begin(), before.end(), prefix.begin()));
    grown = grown || (!before.empty() && prefix.size() > before.size());
    before = prefix;
  }
  for (const std::uint64_t item : in_histories) in_both = in_both || among_candidates.contains(item);
  CHECK(in_both);
  CHECK(load.distinct_texts == texts.size());
  // What prototypes are made of is in no prompt.
  CHECK(!load.samples.empty());
  for (const auto& sample : load.samples) {
    for (const auto& [key, words] : texts) CHECK(words != sample);
  }
  const block_load again = make_block_load(o);
  for (std::size_t p = 0; p < load.prompts.size(); ++p) CHECK(again.prompts[p].words == load.prompts[p].words);
}

TEST_CASE("blocks replay: every case gives what it gives without a cache, and tells what went into it",
          "[replay][blocks]")
{
  block_options o = small_blocks();
  o.prototypes = 200;
  o.least_cosine = 0.7F;
  const block_results r = run_small(o);
  REQUIRE(r.cases.size() == 2 + 5 * 3 + 1 + 3 * 3);
  std::uint64_t tokens = 0;
  for (const block_prompt& p : make_block_load(o).prompts) tokens += p.words.size();
  for (const block_case_result& c : r.cases) {
    INFO(name_of(c.which));
    CHECK(c.requests == 8);
    CHECK(c.errors.verified == 8);
    CHECK(c.errors.mismatches == 0);
    CHECK(c.reused + c.recomputed + c.own == tokens);
    CHECK((c.encoded == c.texts.computed) == !c.which.stands_in);  // what prototypes fill is encoded by nobody
    CHECK(c.texts.hit() > 0);
    CHECK((c.stood_in > 0) == (c.which.stands_in && c.which.share < 1));
    CHECK(c.latency.p50 > 0);
    const bool exact = c.which.reuse == text_reuse::prefix || c.which.share == 1;
    CHECK(answers_text(c) == (exact ? "exact" : "approximate"));
    CHECK(c.exact == (exact ? 8 : 0));
    if (exact) {
      CHECK(c.errors.kv < 1e-4);
      CHECK(c.errors.logits < 1e-4);
      CHECK(c.errors.top == 1);
    } else {
      CHECK(c.errors.kv > 1e-3);
      // But for prototypes layer 0 follows from tokens and positions.
      if (!c.which.stands_in) CHECK(c.errors.layers[0] < 1e-5);
    }
  }
  const block_case_result& bare = find(r, "blocks as they are");
  CHECK(bare.recomputed == 0);
  CHECK(find(r, "prefix cache").recomputed == 0);
  CHECK(find(r, "prototypes").errors.kv > bare.errors.kv);
  for (const char* selector : {"first_k", "k_deviation", "v_deviation", "attention_and_divergence", "random"}) {
    double before = bare.errors.kv;
    std::uint64_t recomputed = 0;
    for (const char* share : {"0.1", "0.3", "1"}) {
      const block_case_result& c = find(r, std::string(selector) + ", " + share);
      INFO(name_of(c.which));
      CHECK(c.errors.kv < before);
      CHECK(c.recomputed > recomputed);
      CHECK(c.recomputed == find(r, std::string("random, ") + share).recomputed);  // at equal cost
      before = c.errors.kv;
      recomputed = c.recomputed;
    }
  }
  // All caches of blocks found the same.
  for (const block_case_result& c : r.cases) {
    if (c.which.reuse == text_reuse::blocks && !c.which.stands_in) CHECK(c.texts.hit() == bare.texts.hit());
  }
}

TEST_CASE("blocks replay: blocks come up from the arena when the slab has room for one prompt", "[replay][blocks]")
{
  block_options o = small_blocks();
  o.common.requests = 12;
  o.common.device_share = 0.001;
  o.cases = {"prefix", "none", "k_deviation"};
  o.shares = {0.3};
  const block_results r = run_small(o);
  REQUIRE(r.cases.size() == 3);
  CHECK(find(r, "blocks as they are").texts.fetched() > 0);
  for (const block_case_result& c : r.cases) CHECK(c.errors.mismatches == 0);
  o.common.host_share = 0.001;  // nothing but a slab: what is evicted is encoded again
  const block_results less = run_small(o);
  CHECK(find(less, "blocks as they are").encoded > find(r, "blocks as they are").encoded);
  for (const block_case_result& c : less.cases) CHECK(c.errors.mismatches == 0);
}

TEST_CASE("blocks replay: a slab has room for the largest prompt, of prototypes too", "[replay][blocks]")
{
  block_options o = small_blocks();
  o.candidates = 16;
  o.history_items = 8;
  o.prototypes = 50;
  o.common.device_share = 0.001;
  o.common.verify = 0;
  o.cases = {"prototypes+k_deviation"};
  o.shares = {1};
  for (const std::uint64_t seed : {3U, 9U, 11U, 12U}) {
    o.common.seed = seed;
    o.common.requests = 24;
    CHECK(run_small(o).cases.size() == 1);
  }
}

TEST_CASE("blocks replay: table, JSON and page tell that answers are approximate", "[replay][blocks]")
{
  const std::filesystem::path folder = std::filesystem::temp_directory_path() / "kvstrata_blocks_replay";
  std::filesystem::create_directories(folder);
  const std::string json = (folder / "r.json").string(), page = (folder / "r.html").string();
  std::vector<const char*> arguments{"--users",         "2",
                                     "--requests",      "3",
                                     "--layers",        "2",
                                     "--hidden",        "8",
                                     "--heads",         "1",
                                     "--head-dim",      "8",
                                     "--words",         "40",
                                     "--candidates",    "2",
                                     "--history-items", "2",
                                     "--least-tokens",  "5",
                                     "--most-tokens",   "8",
                                     "--shares",        "0.3",
                                     "--cases",         "prefix,none,k_deviation,random,prototypes",
                                     "--prototypes",    "50",
                                     "--verify",        "1"};
  for (const char* more : {"--json", json.c_str(), "--report", page.c_str()}) arguments.push_back(more);
  const outcome o = command_with(arguments);
  INFO(o.err);
  CHECK(o.code == 0);
  for (const char* text : {"prefix cache", "blocks as they are", "k_deviation, 0.3", "random, 0.3", "prototypes",
                           "approximate", "exact", "recomputed", "0 of 3", "Weights are random"})
    CHECK(o.out.find(text) != std::string::npos);
  const auto read = [](const std::string& path) {
    std::ifstream in(path);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
  };
  for (const char* text : {"\"answers\": \"approximate\"", "\"share\": 0.3,", "\"reused\"", "\"recomputed\"",
                           "\"kv_error_by_layer\"", "\"stood_in\"", "\"prototypes\""})
    CHECK(read(json).find(text) != std::string::npos);
  for (const char* text : {"<svg", "Relative error of logits", "approximate", "k_deviation, 0.3"})
    CHECK(read(page).find(text) != std::string::npos);
  std::filesystem::remove_all(folder);
}

TEST_CASE("blocks replay: bad input is refused with a sentence", "[replay][blocks]")
{
  const auto refused = [](const std::vector<const char*>& arguments, const std::string& sentence) {
    const outcome o = command_with(arguments);
    INFO(o.err);
    CHECK(o.code == 2);
    CHECK(o.err.find(sentence) != std::string::npos);
  };
  refused({"--shares", "1.5"}, "--shares is 1.500000, but a share must be in [0, 1]");
  refused({"--shares", "-0.1"}, "a share must be in [0, 1]");
  refused({"--shares", ""}, "--shares: '' is not a number");
  refused({"--cases", "nobody"}, "of blocks there are prefix, none, first_k");
  refused({"--cases", "prototypes"}, "there are none: say how many by --prototypes");
  refused({"--least-tokens", "9", "--most-tokens", "8"}, "--least-tokens is 9, but it may be at most 8");
  refused({"--layers", "1"}, "it must be at least 2");
  refused({"--least-cosine", "2"}, "--least-cosine is 2.000000");
  refused({"--words", "0"}, "--words");
  refused({"--beams", "4"}, "--beams");  // beam search's
  refused({"--device-mib", "1", "--users", "2", "--requests", "2", "--quiet"}, "the largest prompt needs");
}
