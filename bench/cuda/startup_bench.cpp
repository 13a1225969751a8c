// How long an arena of many GiB takes to be pinned: startup.hpp says what is measured. `--dry-run` allocates a
// little on an emulated device, which pins nothing.
#include "startup.hpp"
#include "support/program.hpp"

#include <fstream>

namespace {

using namespace bench;

/// Of host memory, in bytes; 0 when the system does not tell.
std::size_t available_bytes()
{
  std::ifstream file("/proc/meminfo");
  std::string word;
  while (file >> word) {
    std::size_t kib = 0;
    if (word == "MemAvailable:" && file >> kib) return kib << 10;
  }
  return 0;
}

void measure(cuda_machine& m, const startup_config& c, report& out)
{
  const auto pin = [&](const pin_request& wanted) {
    kvstrata::cuda_device d(
        {.ordinal = m.device().config().ordinal, .pin_threads = wanted.threads, .huge_pages = wanted.huge_pages});
    static_cast<void>(d.allocate_pinned(wanted.bytes, "arena"));
    const kvstrata::pinned_report r = d.last_pinned_report();
    pin_steps steps{.seconds = r.seconds(),
                    .map = r.map_seconds,
                    .touch = r.touch_seconds,
                    .lock = r.register_seconds,
                    .huge_share = {},
                    .note = r.not_registered};
    if (r.huge_bytes) steps.huge_share = static_cast<double>(*r.huge_bytes) / static_cast<double>(r.bytes);
    return steps;
  };
  const auto runtime = [&](std::size_t bytes) {
    void* at = nullptr;
    cudaError_t code = cudaSuccess;
    const double seconds = seconds_of([&] { code = cudaHostAlloc(&at, bytes, cudaHostAllocPortable); });
    if (code != cudaSuccess) {
      throw std::runtime_error("cudaHostAlloc of " + std::to_string(bytes) + " bytes returned " +
                               cudaGetErrorName(code));
    }
    static_cast<void>(cudaFreeHost(at));
    return seconds;
  };
  startup(c, pin, runtime, out);
}

void measure(emulated_machine& m, const startup_config& c, report& out)
{
  const auto allocate = [&](std::size_t bytes) {
    return seconds_of([&] { static_cast<void>(m.device().allocate_pinned(bytes, "arena")); });
  };
  startup(
      c, [&](const pin_request& wanted) { return pin_steps{.seconds = allocate(wanted.bytes), .note = "not pinned"}; },
      allocate, out);
}

}  // namespace

int main(int argc, char** argv)
{
  startup_config c;
  common_options defaults;
  defaults.plan = c.plan;
  return run_program(
      argc, argv, "startup_bench", "how long pinned memory takes to be there, by threads and page size",
      [&](option_list& options) {
        options.numbers("--mib", "sizes in MiB (default 1024,4096,16384,65536)", c.mib, 1, 1U << 20U);
        options.numbers("--threads", "threads that touch it first (default 1,4,16)", c.threads, 1, 1024);
      },
      defaults,
      [&](auto& machine, const common_options& all, report& out) {
        c.plan = all.plan;
        c.plan.most = all.plan.rounds;
        c.available_bytes = available_bytes();
        if (all.tiny) {
          c.mib = {1, 4};
          c.available_bytes = std::size_t{64} << 20;
        }
        measure(machine, c, out);
      });
}
