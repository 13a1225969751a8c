// What a stretch of work took: time, processor, bytes, and what the kernel says of the disk and of the page cache.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

namespace nvme_bench {

struct flow
{
  double seconds = 0;
  double bytes = 0;
  double cpu_seconds = 0;

  [[nodiscard]] double rate() const noexcept { return bytes / seconds; }  ///< bytes a second
  [[nodiscard]] double cpu_a_gigabyte() const noexcept { return cpu_seconds / bytes * 1e9; }
};

/// Seconds of processor time of this process, its threads and those of the kernel that work for it.
[[nodiscard]] inline double cpu_seconds()
{
  ::rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const ::timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}
/// Of the calling thread.
[[nodiscard]] inline double thread_cpu_seconds()
{
  ::timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

class stopwatch
{
 public:
  [[nodiscard]] double seconds() const
  {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }
  [[nodiscard]] flow flow_of(double bytes) const { return {seconds(), bytes, cpu_seconds() - cpu_}; }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  double cpu_ = cpu_seconds();
};

/// Bytes of this process that are in memory.
[[nodiscard]] inline double resident_bytes()
{
  std::ifstream from("/proc/self/statm");
  double all = 0, resident = 0;
  from >> all >> resident;
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

/// Bytes that this process had the disk read and write: not those that the page cache answered.
struct disk_bytes
{
  double read = 0, written = 0;
};
[[nodiscard]] inline disk_bytes bytes_of_the_disk()
{
  std::ifstream from("/proc/self/io");
  disk_bytes out;
  std::string name;
  for (double value = 0; from >> name >> value;) {
    if (name == "read_bytes:") out.read = value;
    if (name == "write_bytes:") out.written = value;
  }
  return out;
}

/// Bytes of a file that the page cache has.
[[nodiscard]] inline double cached_bytes(const std::string& path)
{
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct ::stat status{};
  if (fd < 0 || ::fstat(fd, &status) != 0) throw std::runtime_error(path + " cannot be looked at");
  const auto bytes = static_cast<std::size_t>(status.st_size);
  void* const mapped = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd, 0);
  ::close(fd);
  if (mapped == MAP_FAILED) throw std::runtime_error(path + " cannot be mapped");
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  std::vector<unsigned char> in((bytes + page - 1) / page);
  const int fault = ::mincore(mapped, bytes, in.data());
  ::munmap(mapped, bytes);
  if (fault != 0) throw std::runtime_error("mincore fails");
  double pages = 0;
  for (const unsigned char one : in) pages += one & 1U;
  return pages * static_cast<double>(page);
}

}  // namespace nvme_bench
