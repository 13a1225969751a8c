// The least that reads and writes a file past the page cache: threads, each with a buffer. The ceiling without fio.
#pragma once

#include "support/nvme/usage.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

namespace nvme_bench {

/// Blocks of `block` bytes, one after the other, `depth` at a time.
[[nodiscard]] inline flow plain_direct(const std::string& path, bool reads, std::size_t block, std::uint32_t depth,
                                       std::uint64_t offset, std::uint64_t bytes)
{
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_DIRECT, 0644);
  if (fd < 0) throw std::runtime_error(path + " cannot be opened with O_DIRECT");
  const std::uint64_t blocks = bytes / block;
  std::atomic<std::uint64_t> next = 0;
  std::atomic<bool> failed = false;
  const auto freed = [](std::byte* p) { std::free(p); };
  std::vector<std::unique_ptr<std::byte, decltype(freed)>> buffers;
  for (std::uint32_t i = 0; i < depth; ++i) {
    buffers.emplace_back(static_cast<std::byte*>(std::aligned_alloc(4096, block)), freed);
    for (std::size_t at = 0; at < block; ++at) buffers.back().get()[at] = static_cast<std::byte>(at * 31 + i);
  }
  const stopwatch watch;
  {
    std::vector<std::jthread> threads;
    for (const auto& buffer : buffers) {
      threads.emplace_back([&, data = buffer.get()] {
        for (std::uint64_t n; (n = next++) < blocks && !failed;) {
          const auto at = static_cast<::off_t>(offset + n * block);
          const ::ssize_t did = reads ? ::pread(fd, data, block, at) : ::pwrite(fd, data, block, at);
          if (did != static_cast<::ssize_t>(block)) failed = true;
        }
      });
    }
  }
  const flow out = watch.flow_of(static_cast<double>(blocks * block));
  ::close(fd);
  if (failed) throw std::runtime_error(path + " cannot be read or written");
  return out;
}

}  // namespace nvme_bench
