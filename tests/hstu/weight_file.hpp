// Files of weights for tests: written here, byte by byte, so that they may also be wrong.
#pragma once

#include "support/catch.hpp"

#include <unistd.h>

#include <bit>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace hstu_test {

/// A file with a name of its own, removed at the end.
class temporary_file
{
 public:
  explicit temporary_file(const std::string& bytes = {})
      : path_(std::filesystem::temp_directory_path() /
              ("kvstrata_weights_" + std::to_string(::getpid()) + "_" + std::to_string(++count_)))
  {
    write(bytes);
  }
  temporary_file(const temporary_file&) = delete;
  temporary_file& operator=(const temporary_file&) = delete;
  ~temporary_file()
  {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }

  void write(const std::string& bytes)
  {
    std::ofstream out(path_, std::ios::binary | std::ios::trunc);
    out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
  [[nodiscard]] std::string read() const
  {
    std::ifstream in(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  inline static int count_ = 0;
  std::filesystem::path path_;
};

inline std::string little_endian(std::uint64_t value, int bytes)
{
  std::string out;
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i) & 0xff);
  return out;
}

inline std::string floats(const std::vector<float>& values)
{
  std::string out;
  for (const float v : values) out += little_endian(std::bit_cast<std::uint32_t>(v), 4);
  return out;
}

/// Header and data as a file has them.
inline std::string safetensors(const std::string& header, const std::string& data = {})
{
  return little_endian(header.size(), 8) + header + data;
}

inline std::string entry(const std::string& name, const std::string& dtype, const std::string& shape,
                         std::uint64_t begin, std::uint64_t end)
{
  return "\"" + name + R"(":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":[)" +
         std::to_string(begin) + "," + std::to_string(end) + "]}";
}

/// Does a sentence contain `what`? A failing CHECK shows both.
inline bool says(const std::string& text, const std::string& what)
{
  UNSCOPED_INFO("'" << text << "' should say '" << what << "'");
  return text.find(what) != std::string::npos;
}

/// `text` with the first `what` replaced.
inline std::string replaced(std::string text, const std::string& what, const std::string& by)
{
  const std::size_t at = text.find(what);
  return at == std::string::npos ? text : text.replace(at, what.size(), by);
}

}  // namespace hstu_test
