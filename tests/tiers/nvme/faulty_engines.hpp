// Engines that break their word, so that tests can show that they would see it.
#pragma once

#include "tiers/nvme/memory_disk.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace kvstrata_test {

/// Says that all is durable, and does nothing.
class engine_without_flushes : public recording_engine
{
 public:
  using recording_engine::recording_engine;
  [[nodiscard]] int flush_sync() noexcept override { return 0; }
};

/// Says that all went well, whatever happened.
class engine_without_errors : public recording_engine
{
 public:
  using recording_engine::recording_engine;
  void run_sync(std::span<kvstrata::nvme::block_io> ios) noexcept override
  {
    recording_engine::run_sync(ios);
    for (auto& io : ios) io.error = 0;
  }
  [[nodiscard]] int flush_sync() noexcept override
  {
    static_cast<void>(recording_engine::flush_sync());
    return 0;
  }
};

/// Flushes first what it should write first: a write and a flush without a link.
class engine_that_reorders : public recording_engine
{
 public:
  using recording_engine::recording_engine;
  ~engine_that_reorders() override { carry_out(); }

  void run_sync(std::span<kvstrata::nvme::block_io> ios) noexcept override
  {
    carry_out();
    std::vector<kvstrata::nvme::block_io> now;
    for (auto& io : ios) {
      if (io.what == kvstrata::nvme::block_io::kind::read) {
        recording_engine::run_sync({&io, 1});
        continue;
      }
      io.error = 0;
      late late_one{io.offset, {}};
      for (const auto& piece : io.pieces) {
        late_one.bytes.insert(late_one.bytes.end(), piece.data, piece.data + piece.bytes);
      }
      late_.push_back(std::move(late_one));
    }
  }
  [[nodiscard]] int flush_sync() noexcept override
  {
    const int out = recording_engine::flush_sync();
    carry_out();
    return out;
  }

 private:
  struct late
  {
    std::uint64_t offset = 0;
    std::vector<std::byte> bytes;
  };

  void carry_out()
  {
    for (late& one : std::exchange(late_, {})) {
      const kvstrata::nvme::memory_piece piece{one.bytes.data(), one.bytes.size()};
      static_cast<void>(disk().write(one.offset, {&piece, 1}));
    }
  }

  std::vector<late> late_;
};

}  // namespace kvstrata_test
