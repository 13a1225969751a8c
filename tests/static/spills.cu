// A planted fault: a kernel that wants more registers than it may have, and indexes an array at run time.
__global__ void __launch_bounds__(1024, 2) spilling_kernel(float* data, int step)
{
  float values[64];
  for (int i = 0; i < 64; ++i) values[i] = data[i * step];
  for (int i = 0; i < step; ++i) values[i % 64] += values[(i * 7) % 64];
  for (int i = 0; i < 64; ++i) data[i * step] = values[i];
}
