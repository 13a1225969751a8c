#include "replay/decoder/command.hpp"

#include "command_line/output_paths.hpp"
#include "command_line/run_command.hpp"
#include "replay/decoder/blocks/command.hpp"
#include "replay/decoder/blocks/options.hpp"
#include "replay/decoder/options.hpp"
#include "replay/decoder/run.hpp"
#include "replay/progress.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <ostream>

namespace replay {
namespace {

int serve(const decoder_options& o, std::ostream& out, std::ostream& err)
{
  const std::array<tools::named_path, 1> outputs{{{"--json", o.common.json}}};
  const std::array<tools::named_path, 1> inputs{{{"--trace", o.common.trace}}};
  tools::require_outputs(outputs, inputs);
  using kind = progress::kind;
  progress shown(err, o.common.quiet ? kind::silent : stderr_is_terminal() ? kind::bar : kind::lines);
  const decoder_results r = run_decoder(o, shown);
  out << (o.common.quiet ? decoder_table(r) : decoder_summary(r)) << std::flush;
  if (!o.common.json.empty()) write_decoder_json(r, o.common.json);
  std::uint64_t mismatches = 0;
  for (const decoder_case_result& c : r.cases) mismatches += c.mismatches;
  if (mismatches == 0) return 0;
  err << "error: " << mismatches << " answers are not those of prompts that are computed anew\n";
  return 1;
}

}  // namespace

int decoder_command(int argc, const char* const* argv, std::ostream& out, std::ostream& err)
{
  if (asks_for_blocks(argc, argv)) return blocks_command(argc, argv, out, err);
  decoder_options o;
  if (const std::optional<int> code = parse_decoder(argc, argv, o, out, err)) return *code;
  return tools::run_command(err, "that many users, requests, beams or tokens; ask for fewer",
                            [&] { return serve(o, out, err); });
}

}  // namespace replay
