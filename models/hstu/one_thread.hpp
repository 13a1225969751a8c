// Keeps oneDNN on the calling thread: the crew's members are the only threads that compute.
#pragma once

// oneDNN asks OpenMP how many threads it may use. Both functions are part of the OpenMP ABI; declaring them here keeps
// one OpenMP runtime in the process, oneDNN's, whatever compiler builds this file.
extern "C" void omp_set_num_threads(int);
extern "C" int omp_get_max_threads();

namespace hstu {

/// While it lives, oneDNN runs on the calling thread alone, and what it prepares is for one thread.
class one_thread
{
 public:
  one_thread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~one_thread() { omp_set_num_threads(before_); }
  one_thread(const one_thread&) = delete;
  one_thread& operator=(const one_thread&) = delete;

 private:
  int before_;
};

}  // namespace hstu
