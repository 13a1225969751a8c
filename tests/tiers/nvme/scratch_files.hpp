// Files of a test, in a folder of their own that goes with it.
#pragma once

#include <kvstrata/tiers/nvme/io/medium_config.hpp>

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

#include <unistd.h>

namespace kvstrata_test {

namespace nvme = kvstrata::nvme;

class scratch_files
{
 public:
  scratch_files()
  {
    static std::atomic<std::uint64_t> made{0};
    folder_ = std::filesystem::temp_directory_path() /
              ("kvstrata_nvme_" + std::to_string(::getpid()) + '_' + std::to_string(made.fetch_add(1)));
    std::filesystem::create_directories(folder_);
  }
  scratch_files(const scratch_files&) = delete;
  scratch_files& operator=(const scratch_files&) = delete;
  ~scratch_files()
  {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  [[nodiscard]] std::string path(const std::string& name) const { return (folder_ / name).string(); }
  /// Makes a file of so many zeros.
  [[nodiscard]] std::string file(const std::string& name, std::uint64_t bytes) const
  {
    {
      const std::ofstream made(path(name));
    }
    std::filesystem::resize_file(path(name), bytes);
    return path(name);
  }
  [[nodiscard]] bool has(const std::string& name) const { return std::filesystem::exists(path(name)); }
  [[nodiscard]] std::uint64_t size(const std::string& name) const { return std::filesystem::file_size(path(name)); }

  /// A medium over files that are to be made.
  [[nodiscard]] nvme::medium_config config(std::uint32_t files, std::uint64_t bytes, std::uint64_t stripe_bytes,
                                           std::uint32_t depth = 4) const
  {
    nvme::medium_config out;
    for (std::uint32_t i = 0; i < files; ++i) out.paths.push_back(path("medium" + std::to_string(i)));
    out.bytes = bytes;
    out.stripe_bytes = stripe_bytes;
    out.depth = depth;
    return out;
  }

 private:
  std::filesystem::path folder_;
};

}  // namespace kvstrata_test
