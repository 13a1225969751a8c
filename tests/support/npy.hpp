// Reads arrays of NumPy's .npy format, version 1, as far as tests need it: little-endian float32 and int64, in C order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <ios>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

namespace kvstrata_test {

/// All elements, whatever the shape. Throws std::runtime_error for a file that is none of these.
template <class T>
  requires std::is_same_v<T, float> || std::is_same_v<T, std::int64_t>
[[nodiscard]] std::vector<T> read_npy(const std::filesystem::path& file)
{
  std::ifstream in(file, std::ios::binary);
  std::string head(10, '\0');
  in.read(head.data(), 10);
  const auto byte = [&head](std::size_t i) { return static_cast<unsigned>(static_cast<unsigned char>(head[i])); };
  if (!in || head.compare(0, 8, std::string("\x93NUMPY\x01\x00", 8)) != 0) {
    throw std::runtime_error(file.string() + " is no .npy file of version 1");
  }
  std::string header(byte(8) + 256 * byte(9), '\0');
  in.read(header.data(), static_cast<std::streamsize>(header.size()));
  const char* const wanted = std::is_same_v<T, float> ? "'<f4'" : "'<i8'";
  if (!in || header.find(wanted) == std::string::npos || header.find("'fortran_order': False") == std::string::npos) {
    throw std::runtime_error(file.string() + " holds other elements: " + header);
  }
  std::vector<T> out;
  for (T one; in.read(reinterpret_cast<char*>(&one), sizeof one);) out.push_back(one);
  return out;
}

}  // namespace kvstrata_test
