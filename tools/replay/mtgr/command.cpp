#include "replay/mtgr/command.hpp"

#include "command_line/output_paths.hpp"
#include "command_line/run_command.hpp"
#include "replay/mtgr/options.hpp"
#include "replay/mtgr/report.hpp"
#include "replay/mtgr/results.hpp"
#include "replay/mtgr/run.hpp"
#include "replay/progress.hpp"

#include <array>
#include <optional>
#include <ostream>
#include <string>

namespace replay {
namespace {

int serve(const mtgr_options& o, std::ostream& out, std::ostream& err)
{
  const std::array<tools::named_path, 2> outputs{{{"--json", o.common.json}, {"--report", o.common.report}}};
  const std::array<tools::named_path, 1> inputs{{{"--trace", o.common.trace}}};
  tools::require_outputs(outputs, inputs);
  using kind = progress::kind;
  progress shown(err, o.common.quiet ? kind::silent : stderr_is_terminal() ? kind::bar : kind::lines);
  const mtgr_results r = run_mtgr(o, shown);
  if (!o.common.quiet) err << '\n';
  out << (o.common.quiet ? mtgr_table(r) : mtgr_summary(r)) << std::flush;
  if (!o.common.json.empty()) write_mtgr_json(r, o.common.json);
  if (!o.common.report.empty()) write_mtgr_report(r, o.common.report);
  if (!o.common.report.empty() && !o.common.quiet) out << "- The report is in " << o.common.report << ".\n";
  const std::string wrong = mtgr_wrong_answers(r);
  if (wrong.empty()) return 0;
  err << "error: " << wrong << '\n';
  return 1;
}

}  // namespace

int mtgr_command(int argc, const char* const* argv, std::ostream& out, std::ostream& err)
{
  mtgr_options o;
  if (const std::optional<int> code = parse_mtgr(argc, argv, o, out, err)) return *code;
  return tools::run_command(err, "that many users, requests or tokens; ask for fewer",
                            [&] { return serve(o, out, err); });
}

}  // namespace replay
