// The phases of a team on a device.
#pragma once

namespace lstm {

// A phase with this thread, then a barrier: of the warp where teams share one, else of the block,
// which is one team then. A team with nothing left to do is not live: it meets the barriers, too.
struct TeamEach {
  int thread, threads;
  bool live;

  template <class Phase> __device__ __forceinline__ void operator()(const Phase &phase) const {
    if (live) phase(thread);
    if (threads <= 32)
      __syncwarp();
    else
      __syncthreads();
  }
};

}  // namespace lstm
