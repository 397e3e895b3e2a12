// SPDX-License-Identifier: Apache-2.0
// opencv: a cv::Mat over a frame where it lies in the ring, and over a loan to draw into.
#include <iostream>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <string_view>

#include "ipc0cp/ring_buffer.hpp"

constexpr std::size_t kRingBytes = 16 << 20;

void produce(const char* ring) {
  ipc0cp::SharedRingBufferProducer producer(ring, kRingBytes);
  auto loan = producer.loan_array<std::uint8_t>({480, 640, 3});
  cv::Mat frame(480, 640, CV_8UC3, loan.values().data());
  frame.setTo(cv::Scalar(0, 0, 0));
  cv::rectangle(frame, {100, 50}, {299, 149}, {0, 255, 255}, cv::FILLED);
  loan.publish();
}

void consume(const char* ring) {
  ipc0cp::SharedRingBufferConsumer consumer(ring, kRingBytes);
  while (const auto object = consumer.pop()) {
    const auto& array = object->as<ipc0cp::NumpyArray>();
    const auto pixels = array.values<std::uint8_t>();
    // OpenCV has no Mat for memory that must not be written: `const` keeps the promise here.
    const cv::Mat frame(static_cast<int>(array.shape()[0]), static_cast<int>(array.shape()[1]),
                        CV_8UC3, const_cast<std::uint8_t*>(pixels.data()));
    cv::Mat grey;
    cv::cvtColor(frame, grey, cv::COLOR_BGR2GRAY);
    const cv::Rect box = cv::boundingRect(grey);
    std::cout << box.width << " x " << box.height << " at " << box.x << ", " << box.y << "\n";
  }
}

int main(int argument_count, char** arguments) {
  if (argument_count != 3) {
    std::cerr << "usage: opencv produce|consume RING\n";
    return 2;
  }
  (arguments[1] == std::string_view("produce") ? produce : consume)(arguments[2]);
}
