// A process that is killed, and what it said before.
#pragma once

#include <functional>

namespace replay {

/// Does `work` in a child, which then ends by SIGKILL: no destructor runs, nothing is closed. Returns when it has. Throws
/// kvstrata::error with the child's sentence where it came to another end. To be called before this process has threads.
void do_and_be_killed(const std::function<void()>& work);

}  // namespace replay
