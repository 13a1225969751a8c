// What the tests of this room share: files that vanish again, and random request streams.
#pragma once

#include "support/catch.hpp"

#include <kvstrata/simulate/random.hpp>
#include <kvstrata/simulate/trace.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace kvstrata_test {

/// A folder of its own, removed with all that is in it.
class scratch_folder
{
 public:
  scratch_folder()
  {
    static std::atomic<unsigned> count{0};
    const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
    path_ =
        std::filesystem::temp_directory_path() / ("kvstrata_" + std::to_string(now) + "_" + std::to_string(count++));
    std::filesystem::create_directories(path_);
  }
  ~scratch_folder()
  {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  scratch_folder(const scratch_folder&) = delete;
  scratch_folder& operator=(const scratch_folder&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  std::filesystem::path write(std::string_view name, std::string_view text) const
  {
    const std::filesystem::path file = path_ / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << text;
    return file;
  }

 private:
  std::filesystem::path path_;
};

/// A trace of random users, events and interaction requests, some at the same time.
inline kvstrata::trace random_trace(std::uint64_t seed, std::uint32_t users = 12, std::uint32_t longest = 60)
{
  kvstrata::random_source random(seed);
  kvstrata::trace t;
  t.name = "random";
  t.items = 50;
  t.event_begin.push_back(0);
  for (std::uint32_t u = 0; u < users; ++u) {
    t.users.push_back(kvstrata::user_id{100 + u});
    const std::uint32_t events = random.below(longest + 1);
    std::int64_t now = random.below(1000);
    for (std::uint32_t k = 0; k < events; ++k) {
      t.events.push_back({now, random.below(t.items), random.below(kvstrata::action_codes)});
      now += random.below(4) == 0 ? random.below(100'000) : random.below(40);
    }
    t.earlier.push_back(random.below(events + 1));
    t.event_begin.push_back(t.events.size());
  }
  return t;
}

}  // namespace kvstrata_test
