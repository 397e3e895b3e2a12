// SPDX-License-Identifier: Apache-2.0
// worker_pool: jobs go to whoever is free, results come back through a ring of their own.
//
// The jobs' ring redelivers: a worker that is killed at a job loses nothing, another one gets it.
#include <iostream>
#include <map>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

#include "ipc0cp/json.hpp"
#include "ipc0cp/ring_buffer.hpp"

constexpr std::size_t kRingBytes = 16 << 20;
constexpr int kJobs = 40;
constexpr int kWorkers = 2;

ipc0cp::MapData make_job(int number) {
  std::vector<double> values(static_cast<std::size_t>(number) + 1);
  std::iota(values.begin(), values.end(), 0.0);
  const std::vector<std::size_t> shape = {values.size()};
  ipc0cp::MapData job;
  job.add("number", ipc0cp::from_json(number));
  job.add("values", ipc0cp::NumpyArray::from(std::move(values), shape));
  return job;
}

void boss(const std::string& ring) {
  ipc0cp::SharedRingBufferProducer jobs(ring, kRingBytes, {.redeliver = true});
  ipc0cp::SharedRingBufferConsumer results(ring + ".results", kRingBytes);
  for (int worker = 0; worker < kWorkers; ++worker) {
    static_cast<void>(results.pop()->as<ipc0cp::TextData>());  // "ready"
  }
  for (int number = 0; number < kJobs; ++number) jobs.push(make_job(number));
  std::map<int, double> sums;
  while (sums.size() < kJobs) {
    const auto result = ipc0cp::to_json(results.pop()->as<ipc0cp::JsonData>());
    sums[result["number"]] = result["sum"];
  }
  double total = 0;
  for (const auto& [number, sum] : sums) total += sum;
  std::cout << sums.size() << " results, the sums add up to " << total << "\n";
}

void work(const std::string& ring) {
  ipc0cp::SharedRingBufferConsumer jobs(ring, kRingBytes);
  ipc0cp::SharedRingBufferProducer results(ring + ".results", kRingBytes);
  results.push(ipc0cp::TextData("ready"));
  while (const auto object = jobs.pop()) {
    const auto& job = object->as<ipc0cp::MapData>();
    const auto values = job.as<ipc0cp::NumpyArray>("values").values<double>();
    const auto number = ipc0cp::to_json(job.as<ipc0cp::JsonData>("number"));
    const double sum = std::accumulate(values.begin(), values.end(), 0.0);
    results.push(ipc0cp::from_json({{"number", number}, {"sum", sum}}));
    // The next pop says that this job is finished.
  }
}

int main(int argument_count, char** arguments) {
  if (argument_count != 3) {
    std::cerr << "usage: worker_pool boss|work RING\n";
    return 2;
  }
  (arguments[1] == std::string_view("boss") ? boss : work)(arguments[2]);
}
