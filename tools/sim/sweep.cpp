#include "sim/sweep.hpp"

#include "sim/options.hpp"
#include "sim/output.hpp"
#include "sim/picture.hpp"
#include "sim/run.hpp"
#include "sim/trace_inputs.hpp"

#include "command_line/json_text.hpp"
#include "command_line/output_paths.hpp"
#include "command_line/run_command.hpp"
#include "replay/progress.hpp"

#include <kvstrata/simulate/output_file.hpp>

#include <ostream>
#include <string>
#include <string_view>
#include <vector>

int sim::sweep(const sweep_program& program, int count, const char* const* arguments, std::ostream& out,
               std::ostream& err)
{
  options o(program.menu);
  constexpr std::string_view no_memory = "these caches; ask for fewer or smaller ones, or for a sample (--sample 0.01)";
  return tools::run_command(err, no_memory, [&] {
    if (const std::optional<int> code = parse(program, count, arguments, o, out, err)) return *code;
    const std::vector<tools::named_path> outputs{
        {"--csv", o.csv}, {"--series", o.series}, {"--json", o.json}, {"--html", o.html}, {"--svg", o.svg}};
    tools::require_outputs(outputs, with_traces({{"--machine", o.machine}}, o.traces));
    using kind = replay::progress::kind;
    replay::progress shown(err, !o.quiet && replay::stderr_is_terminal() ? kind::bar : kind::silent);
    const results r = run(o, shown);
    out << tables(r);
    if (!o.quiet) out << remarks(r);
    out.flush();
    if (!o.csv.empty()) kvstrata::write_file(o.csv, csv(r));
    if (!o.series.empty()) kvstrata::write_file(o.series, series_csv(r));
    if (!o.json.empty()) {
      kvstrata::write_file(o.json, tools::json_text(to_json(r), 1) + "\n");
    }
    if (!o.html.empty()) {
      kvstrata::write_file(o.html, page(r));
      if (!o.quiet) out << "- The curves are in " << o.html << ".\n";
    }
    if (!o.svg.empty()) kvstrata::write_file(o.svg, picture(r));
    out.flush();
    return 0;
  });
}
