#include "replay/decoder/blocks/options.hpp"

#include "command_line/limits.hpp"
#include "command_line/output_paths.hpp"
#include "command_line/parse_arguments.hpp"
#include "replay/command_line.hpp"
#include "replay/format.hpp"
#include "replay/listed_cases.hpp"
#include "replay/number_fault.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/recompute/attention_and_divergence.hpp>
#include <kvstrata/recompute/first_k.hpp>
#include <kvstrata/recompute/k_deviation.hpp>
#include <kvstrata/recompute/none.hpp>
#include <kvstrata/recompute/random.hpp>
#include <kvstrata/recompute/v_deviation.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <ostream>

namespace replay {
namespace {

namespace recompute = kvstrata::recompute;

/// What the other replays have and this one does not.
constexpr std::array<std::string_view, 20> not_here{
    "--most-history",      "--users-of",      "--batch",    "--weights",
    "--position-bias",     "--time-bias",     "--window-s", "--nvme",
    "--nvme-bytes",        "--restart-at",    "--cases",    "--rounds",
    "--nvme-region-bytes", "--history-scale", "--timeline", "--precision",
    "--cluster",           "--processes",     "--heads",    "--candidates"};

void add_own_options(CLI::App& app, block_options& o, std::string& model, bool& blocks)
{
  const auto number = &number_fault<std::uint32_t>;
  app.add_option("--model", model, "decoder: this one")->group("model");
  app.add_flag("--blocks", blocks, "texts of items as blocks, named by what they are: this one")->group("model");
  app.add_option("--words", o.words, "words of the vocabulary that texts are made of")
      ->group("model")
      ->check(number, "")
      ->capture_default_str();
  app.add_option("--heads", o.common.heads, "attention heads")
      ->group("model")
      ->check(number, "")
      ->capture_default_str();
  app.add_option("--candidates", o.candidates, "candidates of a prompt")
      ->group("workload")
      ->check(number, "")
      ->capture_default_str();
  app.add_option("--history-items", o.history_items,
                 "items of the user's history in a prompt, at least; half as many more come before the oldest go")
      ->group("workload")
      ->check(number, "")
      ->capture_default_str();
  app.add_option("--least-tokens", o.least_tokens, "of an item's text")
      ->group("workload")
      ->check(number, "")
      ->capture_default_str();
  app.add_option("--most-tokens", o.most_tokens, "of an item's text")
      ->group("workload")
      ->check(number, "")
      ->capture_default_str();
  app.add_option(
         "--prototypes", o.prototypes,
         "prototypes that stand in for tokens of histories, in cases of their own: another reuse, and coarser; 0: "
         "none")
      ->group("run")
      ->check(number, "")
      ->capture_default_str();
  app.add_option("--least-cosine", o.least_cosine, "a token that is farther from all prototypes is computed")
      ->group("run")
      ->check(&number_fault<float>, "")
      ->capture_default_str();
  app.add_option("--shares", o.shares, "of the tokens in blocks that selectors compute anew; each a case")
      ->group("run")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(&number_fault<double>, "")
      ->capture_default_str();
  app.add_option("--cases", o.cases, "cases to run, of those below; without it all")
      ->group("run")
      ->delimiter(',')
      ->allow_extra_args(false);
}

}  // namespace

const std::vector<block_case>& block_cases()
{
  using enum text_reuse;
  static const std::vector<block_case> list{
      {"prefix", "a prefix cache: instruction and history out of the user's own, all else computed; exact", prefix},
      {recompute::none::name, "blocks as they are, r = 0", blocks},
      {recompute::first_k::name, "blocks, of each its first tokens computed anew (EPIC)", blocks, chooser::first_k},
      {recompute::k_deviation::name, "blocks, computed anew where K of layer 1 differs most (LMCache)", blocks,
       chooser::k_deviation},
      {recompute::v_deviation::name, "likewise, where V does (CacheBlend)", blocks, chooser::v_deviation},
      {recompute::attention_and_divergence::name, "likewise, by attention received and what differs (RcLLM)", blocks,
       chooser::attention_and_divergence},
      {recompute::random::name, "likewise, any tokens: the control", blocks, chooser::random},
      {"prototypes", "the history by prototypes, candidates as blocks, r = 0; takes --prototypes", blocks,
       chooser::none, 0, true},
      {"prototypes+k_deviation", "likewise, computed anew where K of layer 1 differs most", blocks,
       chooser::k_deviation, 0, true},
      {"prototypes+attention", "likewise, by attention received and what differs (RcLLM)", blocks,
       chooser::attention_and_divergence, 0, true},
      {"prototypes+random", "likewise, any tokens: the control", blocks, chooser::random, 0, true}};
  return list;
}

std::vector<block_case> chosen_cases(const block_options& o)
{
  std::vector<double> shares = o.shares;
  std::sort(shares.begin(), shares.end());
  std::vector<block_case> out;
  for (const block_case& c : block_cases()) {
    if (!is_named(o.cases, c) && (!o.cases.empty() || (c.stands_in && o.prototypes == 0))) continue;
    if (c.by == chooser::none) {
      out.push_back(c);
      continue;
    }
    for (const double share : shares) {
      out.push_back(c);
      out.back().share = share;
    }
  }
  return out;
}

std::string name_of(const block_case& c)
{
  if (c.reuse == text_reuse::prefix) return "prefix cache";
  if (c.by == chooser::none) return c.stands_in ? "prototypes" : "blocks as they are";
  std::string share = fixed(c.share, 3);
  share.erase(share.find_last_not_of('0') + 1);
  if (share.ends_with('.')) share.pop_back();
  return std::string(c.key) + ", " + share;
}

bool asks_for_blocks(int argc, const char* const* argv)
{
  return std::any_of(argv + (std::min)(argc, 1), argv + argc,
                     [](const char* word) { return std::string_view(word) == "--blocks"; });
}

block_options usual_block_options()
{
  block_options o;
  o.common.users = 12;
  o.common.requests = 32;
  o.common.batch = 1;
  o.common.history_scale = 1;  // prompts have a few of the last items, however long histories are
  o.common.hidden = 128;
  o.common.heads = 4;
  o.common.head_dim = 32;
  o.common.page_tokens = 16;
  return o;
}

void check(const block_options& o)
{
  check(o.common);
  tools::within("--words", o.words, 1, 65'536);
  tools::within("--most-tokens", o.most_tokens, 1, 65'536);
  tools::within("--least-tokens", o.least_tokens, 1, o.most_tokens);
  tools::within("--history-items", o.history_items, 1, 4096);
  tools::within("--candidates", o.candidates, 1, 4096);
  tools::within("--prototypes", o.prototypes, 0, 1'000'000);
  if (!(o.least_cosine >= -1 && o.least_cosine <= 1))
    throw kvstrata::config_error("--least-cosine", std::to_string(o.least_cosine), "it must be in [-1, 1]");
  for (const double share : o.shares) {
    if (share >= 0 && share <= 1) continue;
    throw kvstrata::config_error("--shares", std::to_string(share), "a share must be in [0, 1]");
  }
  require_known(o.cases, block_cases(), "of blocks");
  for (const std::string& key : o.cases) {
    if (key.starts_with("prototypes") && o.prototypes == 0)
      throw kvstrata::config_error("--cases", "'" + key + "'", "there are none: say how many by --prototypes");
  }
  if (chosen_cases(o).empty())
    throw kvstrata::config_error("--shares", "none", "the cases that are asked for have one each");
  if (o.common.layers < 2) {
    throw kvstrata::config_error("--layers", o.common.layers, "blocks differ from layer 1 on: it must be at least 2");
  }
  check(config_of(o));
}

decoder::config config_of(const block_options& o)
{
  return {.layers = o.common.layers,
          .hidden = o.common.hidden,
          .heads = o.common.heads,
          .head_dim = o.common.head_dim,
          .ffn = 2 * o.common.hidden,
          .codebooks = {o.words},  // one level: a word is a token, wherever it stands
          .seed = o.common.seed};
}

std::optional<int> parse_blocks(int argc, const char* const* argv, block_options& o, std::ostream& out,
                                std::ostream& err)
{
  CLI::App app{
      "Serves prompts of an instruction, items of the user's history, candidates and a question through a decoder, and "
      "compares a prefix cache with blocks, which are reused wherever they stand: approximate. Needs no GPU.",
      "replay --model decoder --blocks"};
  app.get_formatter()->column_width(34);
  app.footer(std::string(tools::output_rule) + "\n\n" + list_of(block_cases(), 28));
  std::string model;
  bool blocks = false;
  o = usual_block_options();
  add_own_options(app, o, model, blocks);
  add_options(app, o.common, not_here);
  return tools::parse_arguments(app, argc, argv, "Run with --model decoder --blocks --help for all options.", out, err,
                                [&o] { check(o); });
}

}  // namespace replay
