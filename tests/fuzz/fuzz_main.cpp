// The way from libFuzzer to a target (fuzz.hpp).
#include "fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
  kvstrata_test::fuzz({reinterpret_cast<const std::byte*>(data), size});
  return 0;
}
