// kvstrata-gpu-replay: serves a stream of recommendation requests on a GPU, with several caches and without one.
// Exit code 0: done, or SKIPPED with the reason where there is no GPU to serve on; 1: an answer differed from
// recomputation, or the run could not be finished; 2: a bad argument.
#include "gpu_replay/machines.hpp"
#include "gpu_replay/options.hpp"
#include "gpu_replay/plan.hpp"
#include "gpu_replay/report.hpp"
#include "replay/progress.hpp"
#include "replay/write_file.hpp"

#include <kvstrata/core/error.hpp>

#include <cstdlib>
#include <exception>
#include <iostream>
#include <new>
#include <optional>
#include <string>

namespace {

std::string why_skipped(const gpu_replay::options& o)
{
  if (o.machine == "emulated") return {};
#ifdef GPU_REPLAY_HAS_CUDA
  return gpu_replay::why_no_gpu(o);
#else
  return "this program was built without a CUDA toolkit; --machine emulated shows what it would do";
#endif
}

gpu_replay::results run(const gpu_replay::options& o, replay::progress& shown)
{
#ifdef GPU_REPLAY_HAS_CUDA
  if (o.machine == "cuda") return gpu_replay::run_cuda(o, shown);
#endif
  return gpu_replay::run_emulated(o, shown);
}

std::string command_line(int argc, const char* const* argv)
{
  std::string out = "kvstrata-gpu-replay";
  for (int i = 1; i < argc; ++i) out += std::string(" ") + argv[i];
  return out;
}

int serve(const gpu_replay::options& o, const std::string& command)
{
  if (o.plan) {
    std::cout << gpu_replay::plan_text(o);
    return 0;
  }
  if (const std::string reason = why_skipped(o); !reason.empty()) {
    std::cout << "SKIPPED: serving on a GPU because " << reason << '\n';
    return 0;
  }
  for (const std::string& path : {o.serve.json, o.markdown, o.serve.timeline}) {
    if (!path.empty()) replay::require_writable(path);
  }
  using kind = replay::progress::kind;
  replay::progress shown(std::cerr, o.serve.quiet                  ? kind::silent
                                    : replay::stderr_is_terminal() ? kind::bar
                                                                   : kind::lines);
  const gpu_replay::results r = run(o, shown);
  std::cout << gpu_replay::text(r) << std::flush;
  if (!o.serve.json.empty()) gpu_replay::write_json(r, o.serve.json);
  if (!o.markdown.empty()) replay::write_file(o.markdown, gpu_replay::markdown(r, command));
  return r.verified && r.verified->beyond != 0 ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv)
{
  // Each case has streams of its own. By default they share 8 queues of the hardware, and one would wait for another that
  // it has nothing to do with. It is read by the first call of CUDA; what the user has set stands.
  static_cast<void>(setenv("CUDA_DEVICE_MAX_CONNECTIONS", "32", 0));
  gpu_replay::options o;
  if (const std::optional<int> code = gpu_replay::parse(argc, argv, o, std::cout, std::cerr)) return *code;
  try {
    return serve(o, command_line(argc, argv));
  } catch (const kvstrata::config_error& e) {
    std::cerr << "error: " << e.what() << ".\n";
    return 2;
  } catch (const std::bad_alloc&) {
    std::cerr << "error: this machine has not the memory for that many users, requests or tokens; ask for fewer\n";
    return 1;
  } catch (const std::exception& e) {
    std::cerr << "error: " << e.what() << '\n';
    return 1;
  }
}
