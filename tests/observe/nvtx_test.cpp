// NVTX: what a profiler would be told. The profiler is ours: NVTX takes one from the program's own variable.
#include "observe/tracker_conformance.hpp"

#if __has_include(<nvtx3/nvToolsExt.h>)

#include <kvstrata/observe/nvtx.hpp>

#include <algorithm>
#include <string>
#include <vector>

namespace {

using namespace kvstrata;
using kvstrata_test::tally;

struct profiler
{
  std::vector<std::string> said;
  std::vector<std::uint64_t> payloads;
  int domains = 0;
  bool ended_too_early = false;
  std::size_t open = 0;
  bool began = false;
};
profiler& told()
{
  static profiler p;
  return p;
}
nvtxDomainHandle_t our_domain() { return reinterpret_cast<nvtxDomainHandle_t>(&told()); }

nvtxDomainHandle_t NVTX_API create(const char* name)
{
  ++told().domains;
  told().said.push_back("domain " + std::string(name));
  return our_domain();
}
void NVTX_API destroy(nvtxDomainHandle_t domain) { told().domains -= domain == our_domain(); }
int NVTX_API push(nvtxDomainHandle_t domain, const nvtxEventAttributes_t* what)
{
  if (domain == our_domain()) told().said.push_back(what->message.ascii);
  return static_cast<int>(told().open++);
}
int NVTX_API pop(nvtxDomainHandle_t)
{
  told().ended_too_early |= told().open == 0;
  return static_cast<int>(--told().open);
}
void NVTX_API mark(nvtxDomainHandle_t domain, const nvtxEventAttributes_t* what)
{
  if (domain != our_domain() || what->size != NVTX_EVENT_ATTRIB_STRUCT_SIZE) return;
  told().said.push_back(what->message.ascii);
  if (what->payloadType == NVTX_PAYLOAD_TYPE_UNSIGNED_INT64) told().payloads.push_back(what->payload.ullValue);
}

template <class Function>
void listen(NvtxFunctionTable table, int id, Function* function)
{
  *table[id] = reinterpret_cast<NvtxFunctionPointer>(function);
}

int NVTX_API begin_profiling(NvtxGetExportTableFunc_t tables)
{
  const auto* const callbacks = static_cast<const NvtxExportTableCallbacks*>(tables(NVTX_ETID_CALLBACKS));
  NvtxFunctionTable table = nullptr;
  unsigned size = 0;
  if (callbacks->GetModuleFunctionTable(NVTX_CB_MODULE_CORE2, &table, &size) == 0) return 0;
  listen(table, NVTX_CBID_CORE2_DomainCreateA, &create);
  listen(table, NVTX_CBID_CORE2_DomainDestroy, &destroy);
  listen(table, NVTX_CBID_CORE2_DomainRangePushEx, &push);
  listen(table, NVTX_CBID_CORE2_DomainRangePop, &pop);
  listen(table, NVTX_CBID_CORE2_DomainMarkEx, &mark);
  told().began = true;
  return 1;
}

/// Starts anew. False where this NVTX does not ask the program: not every version does.
bool listen_again()
{
  InitializeInjectionNvtx2_fnptr = &begin_profiling;
  static_cast<void>(nvtx());  // NVTX looks for a profiler once
  const bool began = told().began;
  told() = profiler();
  told().began = began;
  return began;
}

static_assert(tracker<nvtx> && tracks<nvtx, pressure_met> && !tracks<nvtx, batch_prepared>);

}  // namespace

TEST_CASE("nvtx: calls are ranges, evictions and pressure are marks with their tokens")
{
  if (!listen_again()) SKIP_TEST("this version of NVTX takes no profiler from the program");
  {
    nvtx t;
    {
      const call_scope during(t, call_name::prepare);
      REQUIRE(told().open == 1);
      tell(t, tokens_evicted{1, 21});
    }
    REQUIRE(told().open == 0);
    tell(t, pressure_met{});
    tell(t, tokens_evicted{0, 22});
    REQUIRE(told().domains == 1);
  }
  REQUIRE(told().domains == 0);
  REQUIRE(told().said == std::vector<std::string>{"domain kvstrata", "prepare", "evicted from level 1", "pressure",
                                                  "evicted from level 0"});
  REQUIRE(told().payloads == std::vector<std::uint64_t>{21, 22});
}

TEST_CASE("nvtx: conformance")
{
  if (!listen_again()) SKIP_TEST("this version of NVTX takes no profiler from the program");
  kvstrata_test::tracker_conformance<nvtx>([](const nvtx&, const tally& seen) {
    const auto times = [](const char* what) {
      return static_cast<std::size_t>(std::count(told().said.begin(), told().said.end(), what));
    };
    REQUIRE(times("pressure") == seen.pressure);
    REQUIRE(times("evicted from level 0") == seen.eviction_ages[0].size());
    REQUIRE(times("evicted from level 1") == seen.eviction_ages[1].size());
    REQUIRE(times("prepare") == seen.prepare_calls);
    REQUIRE(times("commit") == seen.commit_calls);
    REQUIRE(told().open == 0);
    REQUIRE(!told().ended_too_early);
  });
}

#else

TEST_CASE("nvtx") { SKIP_TEST("<nvtx3/nvToolsExt.h> is not found; the CUDA toolkit has it"); }

#endif
