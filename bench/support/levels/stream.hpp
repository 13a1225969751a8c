// Batches of requests as plain data, and a file of them: what one program draws, others serve. Knows nothing of the
// library, so that the same stream is served by every version of it.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace levels {

struct asked
{
  std::uint32_t user = 0;
  std::uint32_t tokens = 0;  ///< of their history
};

struct stream
{
  std::vector<asked> requests;
  std::vector<std::uint64_t> begins{0};  ///< of batch b: requests[begins[b] .. begins[b + 1])

  [[nodiscard]] std::size_t batches() const noexcept { return begins.size() - 1; }
  [[nodiscard]] std::span<const asked> batch(std::size_t b) const
  {
    return std::span(requests).subspan(begins[b], begins[b + 1] - begins[b]);
  }
  void close_batch() { begins.push_back(requests.size()); }
  void add(std::span<const asked> batch)
  {
    requests.insert(requests.end(), batch.begin(), batch.end());
    close_batch();
  }
};

struct file_closer
{
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using file_handle = std::unique_ptr<std::FILE, file_closer>;

inline file_handle open_file(const std::string& path, const char* mode)
{
  file_handle file(std::fopen(path.c_str(), mode));
  if (file == nullptr) throw std::runtime_error("the file " + path + " cannot be opened");
  return file;
}

inline void write_stream(const stream& s, const std::string& path)
{
  const file_handle file = open_file(path, "wb");
  const std::uint64_t sizes[] = {s.begins.size(), s.requests.size()};
  const bool written =
      std::fwrite(sizes, sizeof sizes, 1, file.get()) == 1 &&
      std::fwrite(s.begins.data(), 8, s.begins.size(), file.get()) == s.begins.size() &&
      std::fwrite(s.requests.data(), sizeof(asked), s.requests.size(), file.get()) == s.requests.size() &&
      std::fflush(file.get()) == 0;
  if (!written) throw std::runtime_error("the stream cannot be written to " + path);
}

[[nodiscard]] inline stream read_stream(const std::string& path)
{
  const file_handle file = open_file(path, "rb");
  std::uint64_t sizes[2] = {};
  stream s;
  bool read = std::fread(sizes, sizeof sizes, 1, file.get()) == 1;
  if (read) {
    s.begins.resize(sizes[0]);
    s.requests.resize(sizes[1]);
    read = std::fread(s.begins.data(), 8, s.begins.size(), file.get()) == s.begins.size() &&
           std::fread(s.requests.data(), sizeof(asked), s.requests.size(), file.get()) == s.requests.size();
  }
  if (!read || s.begins.empty() || s.begins.back() != s.requests.size()) {
    throw std::runtime_error("the file " + path + " holds no whole stream");
  }
  return s;
}

}  // namespace levels
