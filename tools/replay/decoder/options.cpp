#include "replay/decoder/options.hpp"

#include "replay/command_line.hpp"

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

void within(std::string_view name, std::uint64_t value, std::uint64_t least, std::uint64_t most)
{
  if (value < least) throw kvstrata::config_error(name, value, "it must be at least " + std::to_string(least));
  if (value > most) throw kvstrata::config_error(name, value, "it may be at most " + std::to_string(most));
}

std::string keys()
{
  std::string out;
  for (const decoder_case& c : decoder_cases()) out += (out.empty() ? "" : ", ") + std::string(c.key);
  return out;
}

std::string describe()
{
  std::string out = "Cases:\n";
  for (const decoder_case& c : decoder_cases()) {
    std::string key = "  " + std::string(c.key);
    key.resize(18, ' ');
    out += key + std::string(c.description) + "\n";
  }
  return out;
}

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
  within("--beams", o.beams, 1, 65'536);
  within("--steps", o.steps, 1, decoder::most_levels);
  within("--codebook", o.codebook, 2, 65'536);
  for (const std::string& key : o.cases) {
    const bool known = std::any_of(decoder_cases().begin(), decoder_cases().end(),
                                   [&key](const decoder_case& c) { return c.key == key; });
    if (!known) throw kvstrata::config_error("--cases", "'" + key + "'", "of a decoder there are " + keys());
  }
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
      describe() +
      "\nWith --blocks another: prompts of texts, reused wherever they stand (--model decoder --blocks --help).\n");
  std::string model;
  o.common.requests = 96;  // what is computed anew for each batch takes its time
  o.common.users = 16;
  app.add_option("--model", model, "decoder: this one")->group("model");
  app.add_option("--beams", o.beams, "beams, and items that are asked for")->group("model")->capture_default_str();
  app.add_option("--steps", o.steps, "tokens of an item, each a step")->group("model")->capture_default_str();
  app.add_option("--codebook", o.codebook, "tokens of each step")->group("model")->capture_default_str();
  app.add_option("--cases", o.cases, "cases to run, of those below; without it all")
      ->group("run")
      ->delimiter(',')
      ->allow_extra_args(false);
  add_options(app, o.common, not_here);
  try {
    app.parse(argc, argv);
    check(o);
  } catch (const CLI::CallForHelp&) {
    out << app.help();
    return 0;
  } catch (const CLI::ParseError& e) {
    err << "error: " << e.what() << "\nRun with --model decoder --help for all options.\n";
    return 2;
  } catch (const kvstrata::config_error& e) {
    err << "error: " << e.what() << ".\nRun with --model decoder --help for all options.\n";
    return 2;
  }
  return std::nullopt;
}

}  // namespace replay
