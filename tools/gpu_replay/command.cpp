#include "gpu_replay/command.hpp"

#include "command_line/output_paths.hpp"
#include "command_line/run_command.hpp"
#include "gpu_replay/machines.hpp"
#include "gpu_replay/plan.hpp"
#include "gpu_replay/report.hpp"

#include <kvstrata/simulate/output_file.hpp>

#include <array>
#include <optional>
#include <ostream>

namespace gpu_replay {
namespace {

std::string why_skipped(const options& o, const gpu_runner& gpu)
{
  if (o.machine == "emulated") return {};
  if (gpu.why_none != nullptr) return gpu.why_none(o);
  return "this program was built without a CUDA toolkit; --machine emulated shows what it would do";
}

std::string command_line(int argc, const char* const* argv)
{
  std::string out = "kvstrata-gpu-replay";
  for (int i = 1; i < argc; ++i) out += std::string(" ") + argv[i];
  return out;
}

int serve(const options& o, const std::string& line, const gpu_runner& gpu, std::ostream& out, std::ostream& err)
{
  const std::array<tools::named_path, 3> outputs{
      {{"--json", o.serve.json}, {"--markdown", o.markdown}, {"--timeline", o.serve.timeline}}};
  const std::array<tools::named_path, 1> inputs{{{"--trace", o.serve.trace}}};
  tools::require_outputs(outputs, inputs);
  if (o.plan) {
    out << plan_text(o);
    return 0;
  }
  if (const std::string reason = why_skipped(o, gpu); !reason.empty()) {
    out << "SKIPPED: serving on a GPU because " << reason << '\n';
    return 0;
  }
  using kind = replay::progress::kind;
  replay::progress shown(err, o.serve.quiet ? kind::silent : replay::stderr_is_terminal() ? kind::bar : kind::lines);
  const results r = o.machine == "emulated" ? run_emulated(o, shown) : gpu.run(o, shown);
  out << text(r) << std::flush;
  if (!o.serve.json.empty()) write_json(r, o.serve.json);
  if (!o.markdown.empty()) kvstrata::write_file(o.markdown, markdown(r, line));
  return r.verified && r.verified->beyond != 0 ? 1 : 0;
}

}  // namespace

int command(int argc, const char* const* argv, const gpu_runner& gpu, std::ostream& out, std::ostream& err)
{
  options o;
  if (const std::optional<int> code = parse(argc, argv, o, out, err)) return *code;
  return tools::run_command(err, "that many users, requests or tokens; ask for fewer",
                            [&] { return serve(o, command_line(argc, argv), gpu, out, err); });
}

}  // namespace gpu_replay
