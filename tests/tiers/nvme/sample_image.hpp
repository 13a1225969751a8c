// A store that lies here as text: what is in its blocks, from a file and into one.
#pragma once

#include "support/catch.hpp"

#include <kvstrata/tiers/nvme/format/block.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <span>
#include <sstream>
#include <string>
#include <vector>

namespace kvstrata_test {

class sample_image
{
 public:
  explicit sample_image(std::size_t blocks) : bytes_(blocks * kvstrata::nvme::block_bytes) {}

  [[nodiscard]] kvstrata::nvme::block_span block(std::size_t number)
  {
    return std::span(bytes_).subspan(number * kvstrata::nvme::block_bytes).first<kvstrata::nvme::block_bytes>();
  }
  [[nodiscard]] std::vector<std::byte>& bytes() { return bytes_; }

  /// 16 bytes a line, those left out that are all zeros.
  [[nodiscard]] std::string text() const
  {
    std::string out;
    for (std::size_t at = 0; at != bytes_.size(); at += 16) {
      const std::span<const std::byte> some = std::span(bytes_).subspan(at, 16);
      if (std::all_of(some.begin(), some.end(), [](std::byte byte) { return byte == std::byte{0}; })) continue;
      char number[8];
      std::snprintf(number, sizeof number, "%05zx", at);
      out += number;
      for (const std::byte byte : some) {
        std::snprintf(number, sizeof number, " %02x", std::to_integer<unsigned>(byte));
        out += number;
      }
      out += '\n';
    }
    return out;
  }

  [[nodiscard]] static sample_image read(const std::filesystem::path& path, std::size_t blocks)
  {
    sample_image out(blocks);
    std::ifstream file(path);
    REQUIRE(file.is_open());
    for (std::string line; std::getline(file, line);) {
      if (line.empty() || line.front() == '#') continue;
      std::istringstream words(line);
      words >> std::hex;
      std::size_t at = 0;
      words >> at;
      for (unsigned value = 0; words >> value; ++at) out.bytes_.at(at) = static_cast<std::byte>(value);
    }
    return out;
  }

 private:
  std::vector<std::byte> bytes_;
};

}  // namespace kvstrata_test
