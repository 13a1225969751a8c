// What kvstrata-sim says of a trace.
#include "sim/results.hpp"
#include "support/catch.hpp"

#include <string>

namespace {

std::string said_of(const sim::results& r, const sim::trace_result& t)
{
  std::string all;
  for (const std::string& sentence : sim::trace_sentences(r, t)) all += sentence + '\n';
  return all;
}

}  // namespace

TEST_CASE("a machine that weighs nothing is said", "[sim]")
{
  sim::results r;
  sim::trace_result t;
  t.counted.requests = 4;
  CHECK(said_of(r, t).find("weighs nothing") == std::string::npos);
  r.machine = "H200, PCIe 5";
  CHECK(said_of(r, t).find("What its misses would cost on H200, PCIe 5 nobody knows") != std::string::npos);
  t.counted.seconds = 1e-9;
  CHECK(said_of(r, t).find("weighs nothing") == std::string::npos);
}
