// Threads as an engine: what every engine must do.
#include "support/catch.hpp"
#include "tiers/nvme/engine_conformance.hpp"

#include <kvstrata/tiers/nvme/io/thread_engine.hpp>

#include <memory>

using namespace kvstrata_test;

namespace {

struct threads
{
  static constexpr const char* name = "threads";
  static std::unique_ptr<nvme::block_engine> make(const nvme::medium_config& config, nvme::io_filter* filter)
  {
    return std::make_unique<nvme::thread_engine>(config, filter);
  }
};

}  // namespace

TEST_CASE("threads carry out I/Os") { engine_conformance<threads>(); }

TEST_CASE("threads: made by name, from a medium_config")
{
  const scratch_files files;
  const nvme::engine_maker make = nvme::make_thread_engine;
  const auto engine = make(files.config(1, 1U << 16U, 1U << 14U));
  CHECK(engine->name() == "threads");
  CHECK(engine->bytes() == 1U << 16U);
}
