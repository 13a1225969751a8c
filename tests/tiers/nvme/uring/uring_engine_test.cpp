// io_uring as an engine: what every engine must do, registered memory, and what becomes of all that the system refuses.
#include "support/catch.hpp"
#include "tiers/nvme/engine_conformance.hpp"

#include <kvstrata/tiers/nvme/io/best_engine.hpp>
#include <kvstrata/tiers/nvme/io/uring_engine.hpp>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

using namespace kvstrata_test;
using io = nvme::block_io;

#define KVSTRATA_ALONE  // in no unit of several files (tests/support/units.cmake): main.cpp looks for why_skipped
/// main.cpp asks: a kernel or a container without io_uring has nothing to test here.
const char* why_skipped();
const char* why_skipped()
{
  static std::string reason;
  try {
    const nvme::io_ring ring(2, nullptr);
    return nullptr;
  } catch (const nvme::ring_refused& refusal) {
    reason = refusal.what();
    return reason.c_str();
  }
}

namespace {

constexpr std::uint64_t stripe = 16 * io_block;

struct uring
{
  static constexpr const char* name = "io_uring";
  static std::unique_ptr<nvme::block_engine> make(const nvme::medium_config& config, nvme::io_filter* filter)
  {
    return std::make_unique<nvme::uring_engine>(config, filter);
  }
};

/// What of a kind fails.
faulty_calls::rule refuse(nvme::io_call::kind what, int fault)
{
  return [=](const nvme::io_call& c, std::size_t) {
    return c.what == what ? nvme::io_verdict{.error = fault} : nvme::io_verdict{};
  };
}

}  // namespace

TEST_CASE("io_uring carries out I/Os") { engine_conformance<uring>(); }

TEST_CASE("io_uring: registered memory is used in one piece, within one span")
{
  const scratch_files scratch;
  const auto engine = nvme::make_uring_engine(scratch.config(1, 4 * stripe, stripe));
  const io_memory memory(4 * stripe);
  fill(memory.data(), memory.size(), 1);
  engine->register_memory(memory.all().first(stripe));
  engine->register_memory(memory.all().subspan(stripe, stripe));
  CHECK(engine->explanation().find("not registered") == std::string::npos);

  const auto unregistered_after = [&](io::kind what, std::size_t offset, std::size_t bytes) {
    CHECK(run_one(*engine, what, 0, memory.data() + offset, bytes) == 0);
    return engine->figures().unregistered;
  };
  CHECK(unregistered_after(io::kind::write, 0, stripe) == 0);
  CHECK(unregistered_after(io::kind::write, stripe, stripe) == 0);
  CHECK(unregistered_after(io::kind::write, io_block, io_block) == 0);
  CHECK(unregistered_after(io::kind::write, stripe - io_block, 2 * io_block) == 1);
  CHECK(unregistered_after(io::kind::write, 2 * stripe - io_block, 2 * io_block) == 2);
  CHECK(unregistered_after(io::kind::write, 2 * stripe, io_block) == 3);
  CHECK(unregistered_after(io::kind::write, stripe, stripe) == 3);
  CHECK(unregistered_after(io::kind::read, 0, stripe) == 3);
  CHECK(std::memcmp(memory.data(), memory.data() + stripe, stripe) == 0);

  const std::vector<nvme::memory_piece> pieces{{memory.data(), io_block}, {memory.data() + 2 * io_block, io_block}};
  std::vector<io> ios{{.what = io::kind::write, .offset = 0, .pieces = pieces}};
  engine->run_sync(ios);
  CHECK(ios[0].error == 0);
  CHECK(engine->figures().unregistered == 4);
}

TEST_CASE("io_uring: memory that the system does not register is used without")
{
  const scratch_files scratch;
  faulty_calls calls;
  const auto engine = uring::make(scratch.config(1, 4 * stripe, stripe), &calls);
  const io_memory memory(2 * stripe);
  fill(memory.data(), memory.size(), 1);
  for (const int fault : {ENOMEM, EPERM}) {
    calls.set(refuse(nvme::io_call::kind::enlist, fault));
    engine->register_memory(memory.all().first(stripe));
    calls.set({});
  }
  CHECK(engine->explanation().find(std::to_string(2 * stripe) + " bytes of memory are not registered") !=
        std::string::npos);
  CHECK(engine->explanation().find("ulimit -l") != std::string::npos);
  CHECK(run_one(*engine, io::kind::write, 0, memory.data(), stripe) == 0);
  CHECK(run_one(*engine, io::kind::read, 0, memory.data() + stripe, stripe) == 0);
  CHECK(std::memcmp(memory.data(), memory.data() + stripe, stripe) == 0);
  CHECK(engine->figures().unregistered == 2);
  engine->register_memory(memory.all());
  CHECK(run_one(*engine, io::kind::read, 0, memory.data() + stripe, stripe) == 0);
  CHECK(engine->figures().unregistered == 2);
}

TEST_CASE("io_uring: memory that is not there is not registered")
{
  const scratch_files scratch;
  const auto engine = nvme::make_uring_engine(scratch.config(1, 4 * stripe, stripe));
  engine->register_memory({reinterpret_cast<std::byte*>(std::uintptr_t{io_block}), io_block});
  CHECK(engine->explanation().find("4096 bytes of memory are not registered") != std::string::npos);
}

TEST_CASE("io_uring: a kernel that takes no I/O fails that one, and the next goes")
{
  const scratch_files scratch;
  faulty_calls calls;
  for (const std::uint32_t depth : {1U, 4U}) {
    const auto engine = uring::make(scratch.config(1, 16 * stripe, stripe, depth), &calls);
    const io_memory memory(io_block);
    for (int round = 0; round < 20; ++round) {
      calls.set(refuse(nvme::io_call::kind::submit, EAGAIN));
      CHECK(run_one(*engine, io::kind::write, 0, memory.data(), io_block) == EAGAIN);
      CHECK(engine->flush_sync() == EAGAIN);
      calls.set({});
      CHECK(run_one(*engine, io::kind::write, 0, memory.data(), io_block) == 0);
    }
    // Refused at each submission in turn: that I/O fails or goes with a later one, and all are over.
    for (std::size_t at = 0; at < 12; ++at) {
      io_list list;
      std::mt19937_64 random(1);
      for (std::size_t i = 0; i < 12; ++i) list.add(io::kind::read, i * stripe, memory.data(), io_block, 1, random);
      std::size_t seen = 0;
      calls.set([&](const nvme::io_call& c, std::size_t) {
        return c.what == nvme::io_call::kind::submit && seen++ == at ? nvme::io_verdict{.error = EAGAIN}
                                                                     : nvme::io_verdict{};
      });
      engine->run_sync(list.ios);
      std::size_t failed = 0;
      for (const io& one : list.ios) failed += one.error == EAGAIN;
      for (const io& one : list.ios) CHECK((one.error == 0 || one.error == EAGAIN));
      CHECK(failed <= depth);
      calls.set({});
    }
    CHECK(run_one(*engine, io::kind::write, 0, memory.data(), io_block) == 0);
  }
}

TEST_CASE("io_uring, or threads where the system refuses it")
{
  const scratch_files scratch;
  const auto config = scratch.config(1, 4 * stripe, stripe);
  CHECK(nvme::make_best_engine(config)->name() == "io_uring");
  const io_memory memory(io_block);
  for (const int fault : {EPERM, ENOSYS, ENOMEM}) {
    faulty_calls calls;
    calls.set(refuse(nvme::io_call::kind::make_ring, fault));
    CHECK_THROWS_AS(uring::make(config, &calls), nvme::ring_refused);
    const auto engine = nvme::best_engine(config, &calls);
    CHECK(engine->name() == "threads");
    CHECK(engine->explanation().find("Threads, because the system refuses io_uring: " + nvme::words_of(fault)) == 0);
    CHECK(run_one(*engine, io::kind::write, 0, memory.data(), io_block) == 0);
  }
  auto wrong = config;
  wrong.paths = {scratch.path("")};
  CHECK_THROWS_AS(nvme::make_best_engine(wrong), kvstrata::config_error);
}
