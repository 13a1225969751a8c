// Tests of a GPU need one.
#include <kvstrata/device/cuda/probe.hpp>

#include <string>

const char* why_skipped()
{
  static const std::string reason = kvstrata::cuda::probe_gpus().reason;
  return reason.empty() ? nullptr : reason.c_str();
}
