#include "replay/decoder/blocks/command.hpp"

#include "command_line/output_paths.hpp"
#include "command_line/run_command.hpp"
#include "replay/decoder/blocks/options.hpp"
#include "replay/decoder/blocks/run.hpp"
#include "replay/decoder/run.hpp"
#include "replay/progress.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <ostream>

namespace replay {
namespace {

int serve(const block_options& o, std::ostream& out, std::ostream& err)
{
  const std::array<tools::named_path, 2> outputs{{{"--json", o.common.json}, {"--report", o.common.report}}};
  const std::array<tools::named_path, 1> inputs{{{"--trace", o.common.trace}}};
  tools::require_outputs(outputs, inputs);
  using kind = progress::kind;
  progress shown(err, o.common.quiet ? kind::silent : stderr_is_terminal() ? kind::bar : kind::lines);
  const block_results r = run_blocks(o, shown, wall_seconds);
  out << (o.common.quiet ? block_table(r) : block_summary(r)) << std::flush;
  if (!o.common.json.empty()) write_block_json(r, o.common.json);
  if (!o.common.report.empty()) write_block_page(r, o.common.report);
  if (!o.common.report.empty() && !o.common.quiet) out << "- The report is in " << o.common.report << ".\n";
  std::uint64_t mismatches = 0;
  for (const block_case_result& c : r.cases) mismatches += c.errors.mismatches;
  if (mismatches == 0) return 0;
  err << "error: " << mismatches << " answers are not those that their cases give without a cache\n";
  return 1;
}

}  // namespace

int blocks_command(int argc, const char* const* argv, std::ostream& out, std::ostream& err)
{
  block_options o;
  if (const std::optional<int> code = parse_blocks(argc, argv, o, out, err)) return *code;
  return tools::run_command(err, "that many users, requests or tokens; ask for fewer",
                            [&] { return serve(o, out, err); });
}

}  // namespace replay
