#include "replay/decoder/options.hpp"

#include "command_line/limits.hpp"
#include "command_line/parse_arguments.hpp"
#include "replay/command_line.hpp"
#include "replay/listed_cases.hpp"
#include "replay/number_fault.hpp"

#include <kvstrata/core/error.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <ostream>

namespace replay {
namespace {

/// What the other models' replay has and this one does not.
constexpr std::array<std::string_view, 17> not_here{
    "--most-history", "--users-of",   "--candidates", "--weights", "--position-bias", "--time-bias",
    "--nvme",         "--nvme-bytes", "--restart-at", "--cases",   "--rounds",        "--nvme-region-bytes",
    "--report",       "--timeline",   "--precision",  "--cluster", "--processes"};

}  // namespace

const std::vector<decoder_case>& decoder_cases()
{
  static const std::vector<decoder_case> list{
      {"copied", "beams copied", "prompts computed for each batch, and their KV copied for each beam",
       prompt_keeping::copied},
      {"batch", "separated, per batch", "prompts computed for each batch, their KV shared by all beams (xLLM's way)",
       prompt_keeping::batch},
      {"cached", "separated, cached", "prompts out of the cache, beams in scratch of the lease"},
      {"full", "cached, all candidates", "likewise, every candidate ordered and looked at: no early termination",
       prompt_keeping::cached, false, true},
      {"any", "cached, any tuple", "likewise, without constraints: what is found need not be an item",
       prompt_keeping::cached, true, false},
      {"full_any", "cached, all, any tuple", "neither early termination nor constraints", prompt_keeping::cached, false,
       false}};
  return list;
}

void check(const decoder_options& o)
{
  check(o.common);
  tools::within("--beams", o.beams, 1, 65'536);
  tools::within("--steps", o.steps, 1, decoder::most_levels);
  tools::within("--codebook", o.codebook, 2, 65'536);
  require_known(o.cases, decoder_cases(), "of a decoder");
  const decoder::config c = config_of(o);
  check(c);
  for (const decoder_case& one : decoder_cases()) check(search_of(o, one), c.codebooks);
}

decoder::config config_of(const decoder_options& o)
{
  return {.layers = o.common.layers,
          .hidden = o.common.hidden,
          .heads = o.common.heads,
          .head_dim = o.common.head_dim,
          .ffn = 2 * o.common.hidden,
          .codebooks = std::vector<std::uint32_t>(o.steps, o.codebook),
          .seed = o.common.seed};
}

decoder::search_options search_of(const decoder_options& o, const decoder_case& c)
{
  decoder::search_options how{.widths = std::vector<std::uint32_t>(o.steps, o.beams),
                              .constrained = c.constrained,
                              .early_termination = c.early_termination};
  if (o.steps > 1) how.widths.front() = (std::min)(o.beams, o.codebook);  // there are no more to select
  return how;
}

std::optional<int> parse_decoder(int argc, const char* const* argv, decoder_options& o, std::ostream& out,
                                 std::ostream& err)
{
  CLI::App app{
      "Serves one stream of recommendation requests through a decoder of semantic IDs with beam search, and compares "
      "ways to "
      "keep the KV of prompts and beams. Needs no GPU.",
      "replay --model decoder"};
  app.get_formatter()->column_width(34);
  app.footer(
      list_of(decoder_cases(), 18) +
      "\nWith --blocks another: prompts of texts, reused wherever they stand (--model decoder --blocks --help).\n");
  std::string model;
  o.common.requests = 96;  // what is computed anew for each batch takes its time
  o.common.users = 16;
  const auto number = &number_fault<std::uint32_t>;
  app.add_option("--model", model, "decoder: this one")->group("model");
  app.add_option("--beams", o.beams, "beams, and items that are asked for")
      ->group("model")
      ->check(number, "")
      ->capture_default_str();
  app.add_option("--steps", o.steps, "tokens of an item, each a step")
      ->group("model")
      ->check(number, "")
      ->capture_default_str();
  app.add_option("--codebook", o.codebook, "tokens of each step")
      ->group("model")
      ->check(number, "")
      ->capture_default_str();
  app.add_option("--cases", o.cases, "cases to run, of those below; without it all")
      ->group("run")
      ->delimiter(',')
      ->allow_extra_args(false);
  add_options(app, o.common, not_here);
  return tools::parse_arguments(app, argc, argv, "Run with --model decoder --help for all options.", out, err,
                                [&o] { check(o); });
}

}  // namespace replay
