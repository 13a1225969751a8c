// What a store on NVMe makes of its drive. Each figure stands beside its ceiling, measured in the same run and in turn;
// the targets come last. Files lie in a folder of their own, which is gone whatever ends the bench.
//
//   reads and writes    whole records through nvme_file, by each of its engines, beside fio with blocks and a depth of
//                       the same size on the same file system; and processor time a gigabyte. fio has none of the
//                       checksums. Both in huge pages: in pages of 4 KiB a virtual disk gives fio half as much. And
//                       once more with pages of eight layers
//   reads beside writes a mix that is told how much to write, as shares of each alone; and one that writes all it can
//   page cache          what it has of the file, and what the disk was asked for, with O_DIRECT and without
//   opening             records a second and bytes of memory a record, from a store that was really written, and from
//                       large ones that were made through the format layer; beside RocksDB's blob files
//   calls               processor time of find, put and get
//
// nvme_bench [--quick] [--folder DIR]   --quick: a look, with fewer rounds; --folder: where the files go, else the
//                                       system's folder for temporary ones. About 10 GB for a few minutes
#include "support/nvme/control_plane.hpp"
#include "support/nvme/engines.hpp"
#include "support/nvme/flows.hpp"
#include "support/nvme/page_cache.hpp"
#include "support/nvme/recovery.hpp"
#include "support/nvme/scratch_folder.hpp"
#include "support/target.hpp"

#include <kvstrata/tiers/nvme/io/thread_engine.hpp>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <string>
#include <vector>

#include <sys/vfs.h>

namespace {

using namespace nvme_bench;

/// Whether what is measured is a disk at all.
void look_at(const std::string& folder)
{
  struct ::statfs status{};
  if (::statfs(folder.c_str(), &status) != 0) return;
  constexpr auto tmpfs = 0x01021994;
  if (status.f_type == tmpfs)
    std::printf("%s lies in memory (tmpfs): no figure here is of a disk. Name another with --folder.\n",
                folder.c_str());
  const double free = static_cast<double>(status.f_bavail) * static_cast<double>(status.f_bsize);
  if (free < 12e9) std::printf("%s has only %.1f GB left, and about 10 are needed.\n", folder.c_str(), free / 1e9);
}

void run(const std::string& where, bool quick)
{
  look_at(where);
  const scratch_folder folder(where);
  const ring_engine ring = find_ring_engine(folder / "try");
  std::vector<ring_engine> engines{{kvstrata::nvme::make_thread_engine, {}}};
  if (ring.make) engines.push_back(ring);
  std::vector<bench::target> targets;
  flow_effort effort;
  if (quick) effort.rounds = effort.mixed_rounds = 2;
  {
    flows f(folder, ring, effort, {});
    f.alone(targets);
    f.beside(targets);
  }
  std::filesystem::remove(folder / "fio");
  {  // each layer is an I/O of its own when it is read by layers, and has a checksum
    flow_effort of_layers = effort;
    of_layers.rounds = (std::min)(effort.rounds, 3);
    of_layers.bytes /= 2;
    of_layers.file_bytes /= 2;
    std::vector<bench::target> not_asked;
    flows f(folder, ring, of_layers, {.layers = 8}, " layered");
    f.alone(not_asked);
  }
  std::filesystem::remove(folder / "fio");
  page_cache(folder, engines, targets);
  recovery(folder, engines, quick ? 1 : 5, targets);
  control_plane(folder, quick ? 2 : 5);
  for (const bench::target& t : targets) print(t);
}

}  // namespace

int main(int count, char** arguments)
{
  std::string folder = std::filesystem::temp_directory_path().string();
  bool quick = false;
  for (int i = 1; i < count; ++i) {
    if (std::strcmp(arguments[i], "--quick") == 0) {
      quick = true;
    } else if (std::strcmp(arguments[i], "--folder") == 0 && i + 1 < count) {
      folder = arguments[++i];
    } else {
      std::fprintf(stderr, "nvme_bench knows --quick and --folder DIR, not '%s'.\n", arguments[i]);
      return 2;
    }
  }
  try {
    run(folder, quick);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "nvme_bench: %s\n", e.what());
    return 1;
  }
}
