#include "replay/command.hpp"

#include "command_line/output_paths.hpp"
#include "command_line/run_command.hpp"
#include "replay/decoder/command.hpp"
#include "replay/json.hpp"
#include "replay/mtgr/command.hpp"
#include "replay/options.hpp"
#include "replay/progress.hpp"
#include "replay/report.hpp"
#include "replay/run.hpp"
#include "replay/sentences.hpp"
#include "replay/table.hpp"

#include <kvstrata/core/error.hpp>

#include <array>
#include <filesystem>
#include <optional>
#include <ostream>
#include <string_view>
#include <system_error>

namespace replay {
namespace {

int serve(const options& o, std::ostream& out, std::ostream& err)
{
  const std::array<tools::named_path, 4> outputs{
      {{"--json", o.json}, {"--report", o.report}, {"--timeline", o.timeline}, {"--nvme", o.nvme}}};
  const std::array<tools::named_path, 1> inputs{{{"--trace", o.trace}}};
  tools::require_outputs(outputs, inputs);
  std::error_code ignored;
  if (!o.nvme.empty() && std::filesystem::exists(std::filesystem::symlink_status(o.nvme, ignored))) {
    throw kvstrata::config_error("--nvme", "'" + o.nvme + "'",
                                 "that is there, and what is in a store would be served: name a file that is not");
  }
  using kind = progress::kind;
  progress shown(err, o.quiet ? kind::silent : stderr_is_terminal() ? kind::bar : kind::lines);
  const results r = run(o, shown);
  if (!o.quiet) err << '\n';
  out << (o.quiet ? table(r) : summary(r)) << std::flush;
  if (!o.json.empty()) write_json(r, o.json);
  if (!o.report.empty()) write_report(r, o.report);
  if (!o.report.empty() && !o.quiet) out << "- The report is in " << o.report << ".\n";
  if (!o.timeline.empty() && !o.quiet) out << "- The timeline is in " << o.timeline << ", for ui.perfetto.dev.\n";
  if (!r.verified || r.verified->mismatches == 0) return 0;
  if (o.quiet) err << "error: " << verdict(r) << '\n';
  return 1;
}

}  // namespace

int command(int argc, const char* const* argv, std::ostream& out, std::ostream& err)
{
  const std::string_view model = asked_model(argc, argv);
  if (model == "decoder") return decoder_command(argc, argv, out, err);
  if (model == "mtgr") return mtgr_command(argc, argv, out, err);
  options o;
  if (const std::optional<int> code = parse(argc, argv, o, out, err)) return *code;
  return tools::run_command(err, "that many users, requests or tokens; ask for fewer",
                            [&] { return serve(o, out, err); });
}

}  // namespace replay
