// What a disk gives to somebody who does nothing but read and write: fio, with a ring or threads, whichever is quicker;
// or a plain loop where fio is not installed.
#pragma once

#include "support/levels/children.hpp"
#include "support/nvme/plain_direct.hpp"
#include "support/nvme/usage.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace nvme_bench {

/// One file, preallocated and written once; runs go round in it, as those of a store do in its regions.
class ceiling
{
 public:
  ceiling(std::string path, std::size_t block, std::uint32_t depth, std::uint64_t file_bytes, bool ring)
      : path_(std::move(path)),
        block_(block),
        depth_(depth),
        file_bytes_(file_bytes / block * block),
        has_fio_(levels::run("command -v fio").status == 0),
        io_engine_(ring ? "io_uring" : "libaio")
  {
    if (has_fio_) static_cast<void>(fio(job("fill", "write", 0, file_bytes_) + " --fallocate=posix"));
    else static_cast<void>(plain_direct(path_, false, block_, depth_, 0, file_bytes_));
  }

  [[nodiscard]] std::string name() const { return has_fio_ ? "fio (" + io_engine_ + " or threads)" : "plain loop"; }
  [[nodiscard]] bool has_fio() const noexcept { return has_fio_; }

  [[nodiscard]] flow write(std::uint64_t bytes)
  {
    if (written_ + bytes > file_bytes_) written_ = 0;
    last_ = written_;
    written_ += bytes / block_ * block_;
    return run(false, bytes);
  }
  /// What was written last.
  [[nodiscard]] flow read(std::uint64_t bytes) { return run(true, bytes); }

  struct mix
  {
    flow reads, writes;
  };
  /// Reads for so many seconds of what was written last, and writes elsewhere at a pace. Only with fio.
  [[nodiscard]] mix both(double seconds, std::uint64_t bytes, double write_rate) const
  {
    const std::uint64_t other = last_ + 2 * bytes <= file_bytes_ ? last_ + bytes : 0;
    const std::string time = " --time_based --runtime=" + std::to_string(static_cast<int>(seconds * 1e3)) + "ms";
    const auto lines = fio(job("r", "read", last_, bytes) + time + job("w", "write", other, bytes) + time +
                           " --rate=" + std::to_string(static_cast<std::uint64_t>(write_rate)));
    if (lines.size() != 2) throw std::runtime_error("fio told of another number of jobs");
    return {flow_of(lines[0], true), flow_of(lines[1], false)};
  }

 private:
  using fields = std::vector<std::string>;

  [[nodiscard]] flow run(bool reads, std::uint64_t bytes) const
  {
    if (!has_fio_) return plain_direct(path_, reads, block_, depth_, last_, bytes);
    const std::string what = reads ? "read" : "write";
    const flow one = flow_of(fio(job("one", what, last_, bytes)).front(), reads);
    // Where others want the processors too, many threads get more of them than one.
    const std::uint64_t part = bytes / block_ / depth_ * block_;
    flow many = flow_of(fio(job("many", what, last_, part, "psync") + " --thread --group_reporting --numjobs=" +
                            std::to_string(depth_) + " --offset_increment=" + std::to_string(part))
                            .front(),
                        reads);
    many.cpu_seconds *= depth_;  // it tells of one
    return one.rate() > many.rate() ? one : many;
  }

  [[nodiscard]] std::string job(const std::string& name, const std::string& what, std::uint64_t offset,
                                std::uint64_t bytes, const std::string& engine = {}) const
  {
    const bool threads = engine == "psync";
    return " --name=" + name + " --rw=" + what + " --filename=" + levels::quoted(path_) +
           " --bs=" + std::to_string(block_) + " --iodepth=" + std::to_string(threads ? 1 : depth_) +
           " --ioengine=" + (threads ? engine : io_engine_) + " --direct=1 --offset=" + std::to_string(offset) +
           " --size=" + std::to_string(bytes / block_ * block_);
  }
  [[nodiscard]] static std::vector<fields> fio(const std::string& jobs)
  {
    std::istringstream said(
        levels::said_by("GLIBC_TUNABLES=glibc.malloc.hugetlb=1 fio --output-format=terse --terse-version=3" + jobs));
    std::vector<fields> out;
    for (std::string line; std::getline(said, line);) {
      if (!line.starts_with("3;")) continue;
      std::istringstream parts(line);
      fields& mine = out.emplace_back();
      for (std::string part; std::getline(parts, part, ';');) mine.push_back(part);
      if (mine.size() < 90) throw std::runtime_error("fio said what is not understood: " + line);
    }
    if (out.empty()) throw std::runtime_error("fio said nothing");
    return out;
  }
  /// Fields of fio's terse format, version 3: of the reads from 5 on, of the writes from 46 on, then the processor.
  [[nodiscard]] static flow flow_of(const fields& of, bool reads)
  {
    const std::size_t first = reads ? 5 : 46;
    const auto number = [&of](std::size_t at) { return std::stod(of[at]); };
    const double seconds = number(first + 3) / 1e3;
    return {
        .seconds = seconds, .bytes = number(first) * 1024, .cpu_seconds = (number(87) + number(88)) / 100 * seconds};
  }

  std::string path_;
  std::size_t block_;
  std::uint32_t depth_;
  std::uint64_t file_bytes_;
  bool has_fio_;
  std::string io_engine_;
  std::uint64_t written_ = 0, last_ = 0;
};

}  // namespace nvme_bench
