// A program of one .cpp and one .cu. Without arguments it checks that they share the library; with "kernel" it runs one.
#include "all_headers.hpp"

#include <cstdint>
#include <cstdio>

const void* address_in_cuda();
bool has_gpu();
std::uint64_t tokens_on_gpu();

int main(int argc, char**)
{
  if (argc == 1) return address_in_cuda() == &kvstrata::version ? 0 : 1;
  if (!has_gpu()) {
    std::puts("SKIPPED: nvcc_kernel because this machine has no GPU or no driver");
    return 0;
  }
  return tokens_on_gpu() == 32 ? 0 : 1;
}
